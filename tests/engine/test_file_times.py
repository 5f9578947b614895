"""A file's time in a container depends on its content, so that caches keyed by time and size notice every edit."""

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
    """Write the module with the same size and time on the host; return what the guest prints."""
    project.write({"answer.py": f"ANSWER = {answer}\n"})
    os.utime(project.directory / "answer.py", (1_600_000_000, 1_600_000_000))
    done = project.run(*words)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_an_edit_of_the_same_size_is_seen_despite_cached_bytecode(project: Site) -> None:
    project.write({"pyc/.keep": "", ".containerignore": "pyc\n"})
    runtime = {
        "env": {"PYTHONPYCACHEPREFIX": "/pyc"},
        "mounts": [f"{project.directory}/pyc:/pyc"],
    }
    project.script(BODY, imports="import os", runtime=runtime)
    assert run(project, 1).startswith("1 ")
    kept = [*(project.directory / "pyc").rglob("answer.*.pyc")]
    assert kept
    assert run(project, 2).startswith("2 ")  # copied into the container
    assert run(project, 3, "-m", "buildr", "run", "app.py").startswith("3 ")
    build = project.run("-m", "buildr", "build", "--name", project.name, "app.py")
    assert build.returncode == 0, build.stderr.decode()
    assert run(project, 4).startswith("4 ")


def test_restored_content_has_its_former_time(project: Site) -> None:
    project.script(BODY, imports="import os")
    first = run(project, 1)
    other = run(project, 2)
    assert run(project, 1) == first
    assert other.split()[1] != first.split()[1]
