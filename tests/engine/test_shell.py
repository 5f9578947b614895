"""A shell in the image of a script, on real engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.images import Site
from tests.engine.images import site as make_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine


@pytest.fixture(scope="module")
def site(engine: Engine) -> Iterator[Site]:
    for found in make_site(engine):
        found.script("print('the script')", imports="", path="app.py")
        yield found


def test_the_shell_reads_its_input_beside_the_files_of_the_script(site: Site) -> None:
    done = site.engine.python(
        *("-m", "buildr", "shell", "--quiet", "-e", "A=word", "app.py"),
        cwd=site.directory,
        stdin=b"ls app.py; echo $A >&2\nexit 7\n",
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"app.py\n", b"word\n", 7)
