"""Makes the pictures: ``scripts/pictures``."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engine.harness import Engine, give, project_directory
from tests.pictures import PICTURES, PLACE, ROOT, WRONG, Picture
from tests.pictures.drawing import draw, read
from tests.pictures.screens import Screen, ScreenError

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENGINE = "podman-rootless"


def main() -> None:
    """Make all pictures, or the named ones."""
    wanted = sys.argv[1:] or [picture.name for picture in PICTURES]
    state = json.loads(Path(os.environ["BUILDR_TEST_ENGINES"]).read_text())
    found = state["engines"][_ENGINE]
    engine = Engine(_ENGINE, found, state["base_image"])
    del engine.environ["BUILDR_BACKEND"]  # the default settings
    engine.environ["PATH"] = f"{Path(sys.executable).parent}:{engine.environ['PATH']}"
    PLACE.mkdir(exist_ok=True)
    for picture in PICTURES:
        if picture.name in wanted:
            drawn = draw(picture.name, take(engine, picture))
            check(read(drawn), private(engine))
            (PLACE / f"{picture.name}.svg").write_text(drawn)
            sys.stdout.write(f"docs/pictures/{picture.name}.svg\n")


def take(engine: Engine, picture: Picture) -> str:
    """Type a picture's commands into a screen, in a new project, and return what it shows.

    Raises:
        ScreenError: it does not show the expected text.
    """
    for top in project_directory(engine, "screen"):
        directory = top / "hello"
        shutil.copytree(ROOT / "examples", directory)
        (directory / "wrong.py").write_text(WRONG)
        give(engine, directory)
        try:
            with Screen(engine, directory) as screen:
                for command in picture.commands[:-1]:
                    screen.run(command)
                if not picture.until:
                    screen.run(picture.commands[-1])
                    return screen.shown()
                screen.type(picture.commands[-1])
                return screen.await_text(picture.until)
        finally:
            remove_images(engine, directory)
    raise AssertionError("a directory was made")


def remove_images(engine: Engine, directory: Path) -> None:
    """Remove the images of a project's scripts."""
    for script in ("hello.py", "packages.py", "sizes.py"):
        done = engine.run("buildr", "containerfile", script, cwd=directory)
        project = done.stdout.decode().partition('buildr.project="')[2].partition('"')[0]
        filter_ = f"label=buildr.project={project}"
        if found := set(engine.cli("images", "--quiet", "--filter", filter_).split()):
            engine.cli("rmi", "--force", *sorted(found))


def private(engine: Engine) -> set[str]:
    """Return private facts of this machine: its name, its users, and paths."""
    return {
        platform.node(),
        engine.user or "root",
        engine.home,
        str(ROOT),
        sys.prefix,
        str(Path(os.environ["BUILDR_TEST_ENGINES"]).parent),
    }


def check(lines: Iterable[str], words: set[str]) -> None:
    """Check that the picture shows nothing private.

    Raises:
        ScreenError: it does.
    """
    for line in lines:
        for word in words:
            if word in line:
                raise ScreenError(f"the picture would show {word!r}: {line}")


if __name__ == "__main__":
    try:
        main()
    except ScreenError as error:
        sys.exit(f"pictures: error: {error}")
