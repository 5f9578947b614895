"""The pictures of the documentation: commands run in a real terminal, on a real engine, drawn as SVG.

``scripts/pictures`` regenerates them. `screens` drives the terminal, `drawing` draws the picture, and this module
defines the contents.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "docs" / "pictures"
COLUMNS, ROWS = 100, 60
PROMPT = "$ "

WRONG = """\
from buildr import Containerize


@Containerize(package={"varient": "slim"})
def main() -> None:
    print("hello")


if __name__ == "__main__":
    main()
"""
"""``wrong.py``: a script with a misspelt option."""


class Picture(Struct, frozen=True, kw_only=True):
    """One picture: the typed commands, and when to capture the screen."""

    name: str
    """The name of its file, without ``.svg``."""
    commands: tuple[str, ...]
    until: str = ""
    """A pattern; the screen is captured as soon as the last command shows it. Empty: when the command has ended."""


PICTURES = (
    # Show all steps, even if other projects have them cached.
    Picture(
        name="progress",
        commands=("buildr build --no-cache packages.py",),
        until=r"installing packages",
    ),
    Picture(name="build", commands=("buildr build --no-cache --verbose packages.py",)),
    Picture(name="first", commands=("python sizes.py 123456789 5000",) * 2),
    Picture(name="run", commands=("python hello.py reader", "python hello.py reader")),
    Picture(
        name="error",
        commands=("python wrong.py", "buildr run helo.py", "buildr rnu hello.py"),
    ),
    Picture(name="doctor", commands=("buildr doctor",)),
)
