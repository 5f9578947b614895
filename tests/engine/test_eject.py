"""The engine's own command builds and runs the output of `buildr eject` with the same result as Buildr."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import give

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

SCRIPT = """\
import os, sys, pkg
from buildr import Containerize, is_in_docker_container

@Containerize(package={"system_packages": []}, runtime={"env": {"MODE": "of-the-run"}})
def main():
    rows = sorted(f"{path} {oct(os.stat(path).st_mode)} {os.stat(path).st_uid}:{os.stat(path).st_gid}"
                  for folder, _, names in os.walk("/app") for path in (folder, *(f"{folder}/{n}" for n in names)))
    print(is_in_docker_container(), os.getuid(), os.getgid(), os.getcwd(), sys.argv[1:], pkg.value)
    print(open("/etc/settings.toml").read(), *rows, sep="\\n")
    sys.exit(3)

main()
"""


def test_an_ejected_project_runs_the_same(engine: Engine, project: Path) -> None:
    (project / "pkg").mkdir()
    (project / "pkg" / "__init__.py").write_text("value = 'of the package'\n")
    (project / "settings.toml").write_text("x = 1")
    (project / "tool.sh").touch(mode=0o755)
    (project / ".env").write_text("SECRET=1\n")
    (project / "app.py").write_text(SCRIPT)
    (project / "pyproject.toml").write_text(
        "[tool.buildr.package]\n"
        'additional_files = [{ src = "settings.toml", dest = "/etc/settings.toml", mode = "0444" }]\n'
    )
    give(engine, project)
    by_buildr = engine.python("app.py", "a b", cwd=project)
    assert by_buildr.returncode == 3, by_buildr.stderr.decode()

    ejected = engine.python("-m", "buildr", "eject", "-q", "-o", "out", "app.py", cwd=project)
    assert ejected.returncode == 0, ejected.stderr.decode()
    out = project / "out"
    (out / "context" / ".env").write_text("LATER=1\n")  # excluded by the ignore file
    try:
        tag = f"localhost/ejected-{secrets.token_hex(5)}"  # this ending is invalid in an image name
        built = engine.run(
            *(engine.backend, "build", "-t", tag, "-f", f"{out}/Containerfile", str(out)),
            cwd=project,
        )
        assert built.returncode == 0, built.stderr.decode()
        plain = engine.run(
            *(engine.backend, "run", "--rm", tag, "python", "-u", "/app/app.py", "a b"), cwd=project
        )
        assert (plain.returncode, plain.stdout) == (3, by_buildr.stdout), plain.stderr.decode()
        assert engine.run(engine.backend, "run", "--rm", tag, cwd=project).returncode == 3
    finally:
        engine.run(engine.backend, "rmi", "--force", tag, cwd=project)
    assert re.match(rb"True 1000 0 /app \['a b'\] of the package\nx = 1\n", plain.stdout)
    assert b"/app/.env" not in plain.stdout
