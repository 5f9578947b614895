"""The source as a mount instead of a copy, on real engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.harness import give

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.harness import Engine

SCRIPT = """\
import os, sys
import six
with open("written", "w") as file:
    file.write("by the guest")
os.makedirs("folder")
print(open("note").read(), os.getcwd(), os.path.exists(".env"))
"""


def test_both_sides_see_the_same_files_which_belong_to_the_user(
    engine: Engine, project: Path
) -> None:
    (project / "app.py").write_text(SCRIPT)
    (project / "note").write_text("one")
    (project / ".env").write_text("A=1")
    (project / "requirements.txt").write_text("six==1.17.0\n")
    give(engine, project)

    def run() -> tuple[str, str]:
        done = engine.python("-m", "buildr", "run", "--live", "app.py", cwd=project)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip(), done.stderr.decode()

    assert run()[0] == "one /app True"
    written = (project / "written").stat()
    assert (written.st_uid, (project / "folder").stat().st_uid) == (engine.uid, engine.uid)
    assert (project / "written").read_text() == "by the guest"

    (project / "note").write_text("two")
    (project / "folder").rmdir()
    assert run() == ("two /app True", "")  # a build would print the source of the dependencies
