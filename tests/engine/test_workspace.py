"""A script of a uv workspace member runs with the members that it needs, and sees edits of them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import Site, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

LOCK = """\
version = 1
requires-python = ">=3.8"
[manifest]
members = ["lib", "web"]
[[package]]
name = "lib"
version = "1.5"
source = { editable = "packages/lib" }
[[package]]
name = "web"
version = "2"
source = { editable = "packages/web" }
dependencies = [{ name = "lib" }]
"""
MEMBER = """\
[project]
name = "{name}"
version = "{version}"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
APP = """\
from importlib.metadata import version
from buildr import Containerize

@Containerize(package={{"name": "{name}"}})
def main():
    import lib, web
    print(lib.WORD, web.__name__, version("lib"), version("web"))

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def workspace(engine: Engine) -> Iterator[Site]:
    for made in site(engine):
        made.write(
            {
                "uv.lock": LOCK,
                "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
                "packages/lib/pyproject.toml": MEMBER.format(name="lib", version="1.5"),
                "packages/lib/src/lib/__init__.py": 'WORD = "first"\n',
                "packages/web/pyproject.toml": MEMBER.format(name="web", version="2"),
                "packages/web/src/web/__init__.py": f"# {secrets.token_hex(4)}\n",
                "packages/web/app.py": APP.format(name=made.name),
                "app.py": "",
            }
        )
        yield made


@pytest.mark.parametrize("place", [".", "packages/web"])
def test_a_member_runs_with_the_members_that_it_needs(workspace: Site, place: str) -> None:
    script = str(workspace.directory / "packages/web/app.py")
    done = workspace.engine.python(script, cwd=workspace.directory / place)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"first web 1.5 2\n"
    workspace.write({"packages/lib/src/lib/__init__.py": 'WORD = "second"\n'})
    done = workspace.engine.python(script, cwd=workspace.directory / place)
    assert done.stdout == b"second web 1.5 2\n"
    assert b"pip" not in done.stderr
