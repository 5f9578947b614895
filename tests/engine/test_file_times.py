"""A file's time in a container follows its content, so that what is kept by time and size notices every edit."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import Site, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

BODY = """\
import answer
print(answer.ANSWER, int(os.stat("/app/answer.py").st_mtime))
"""


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


def run(project: Site, answer: int, *words: str) -> str:
    """Write the module, without a change of its size or of its time on the host; return what the guest prints."""
    project.write({"answer.py": f"ANSWER = {answer}\n"})
    os.utime(project.directory / "answer.py", (1_600_000_000, 1_600_000_000))
    done = project.run(*words)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_an_edit_of_the_same_size_is_seen_beside_bytecode_that_is_kept(project: Site) -> None:
    project.write({"pyc/.keep": "", ".containerignore": "pyc\n"})
    runtime = {
        "env": {"PYTHONPYCACHEPREFIX": "/pyc"},
        "mounts": [f"{project.directory}/pyc:/pyc"],
    }
    project.script(BODY, imports="import os", runtime=runtime)
    assert run(project, 1).startswith("1 ")
    kept = [*(project.directory / "pyc").rglob("answer.*.pyc")]
    assert kept
    assert run(project, 2).startswith("2 ")  # put into the container
    assert run(project, 3, "-m", "buildr", "run", "app.py").startswith("3 ")
    build = project.run("-m", "buildr", "build", "--name", project.name, "app.py")
    assert build.returncode == 0, build.stderr.decode()
    assert run(project, 4).startswith("4 ")


def test_what_comes_back_has_the_time_that_it_had(project: Site) -> None:
    project.script(BODY, imports="import os")
    first = run(project, 1)
    other = run(project, 2)
    assert run(project, 1) == first
    assert other.split()[1] != first.split()[1]
