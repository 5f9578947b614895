"""The pictures of the documentation: commands that ran in a real terminal, on a real engine, drawn as SVG.

``scripts/pictures`` regenerates them; nothing in them is written by hand. `screens` is the terminal and `drawing` the
picture; what is shown stands here.
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
"""``wrong.py``: a script that names an option which there is not."""


class Picture(Struct, frozen=True, kw_only=True):
    """One picture: what is typed into a screen of its own, and when it is taken."""

    name: str
    """Of its file, without ``.svg``."""
    commands: tuple[str, ...]
    until: str = ""
    """A pattern: the picture is taken while the last command runs, when the screen shows this. Empty: at its end."""


PICTURES = (
    # Whatever other projects have stored: all steps are to be seen.
    Picture(
        name="progress",
        commands=("buildr build --no-cache packages.py",),
        until=r"step \d+/\d+ RUN PIP",
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
