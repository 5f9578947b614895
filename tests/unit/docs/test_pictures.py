"""The pictures of the documentation show what the commands of today print, where that is the same everywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from buildr import __version__
from tests.pictures import PICTURES, PLACE, PROMPT, ROOT, WRONG, Picture
from tests.pictures.__main__ import check
from tests.pictures.drawing import draw, read
from tests.pictures.screens import ScreenError
from tests.samples import PAGES
from tests.unit.doctor.test_doctor import ABSENT, Machine, Podman, examined

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [picture.name for picture in PICTURES]
BUILDR = "import sys; from buildr.cli import main; sys.argv[0] = 'buildr'; main()"


def shown(name: str) -> list[str]:
    return read((PLACE / f"{name}.svg").read_text())


def printed(*words: str, cwd: Path, **environ: str) -> list[str]:
    """Run a command that needs no engine, and return its lines as a screen of the pictures' width has them."""
    done = subprocess.run(
        (sys.executable, *words),
        cwd=cwd,
        env={
            "PATH": "/nowhere",
            "HOME": "/nowhere",
            "PYTHONPATH": os.pathsep.join(sys.path),
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    return [line[at : at + 100].rstrip() for line in lines for at in range(0, len(line) or 1, 100)]


def after(name: str, command: str) -> list[str]:
    """Return what a picture shows after a command."""
    lines = shown(name)
    start = lines.index(f"{PROMPT}{command}") + 1
    ends = [at for at, line in enumerate(lines) if at >= start and line.startswith(PROMPT)]
    return lines[start : min(ends, default=None)]


@pytest.mark.parametrize("picture", PICTURES, ids=NAMES)
def test_a_picture_shows_its_commands(picture: Picture) -> None:
    typed = [line for line in shown(picture.name) if line.startswith(PROMPT)]
    assert typed == [f"{PROMPT}{command}" for command in picture.commands]


def test_there_is_no_other_picture() -> None:
    assert sorted(path.stem for path in PLACE.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_the_picture(name: str) -> None:
    wanted = re.compile(rf"!\[[^\]]+\]\((?:docs/|\.\./)?pictures/{name}\.svg\)")
    assert any(wanted.search(page.read_text()) for page in PAGES)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_has_no_external_references(name: str) -> None:
    text = (PLACE / f"{name}.svg").read_text().replace("http://www.w3.org/2000/svg", "")
    assert "//" not in re.sub(r"<text.*?</text>", "", text)


def test_the_error_is_the_current_one(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    assert after("error", "python wrong.py") == printed("wrong.py", cwd=tmp_path)


@pytest.mark.parametrize("words", ["run helo.py", "rnu hello.py"])
def test_errors_of_the_command_are_the_current_ones(words: str, tmp_path: Path) -> None:
    (tmp_path / "hello.py").touch()  # the name that is meant
    assert after("error", f"buildr {words}") == printed("-c", BUILDR, *words.split(), cwd=tmp_path)


def test_the_steps_are_those_of_the_containerfile() -> None:
    steps = [
        found[1]
        for line in shown("build")
        if (found := re.match(r"buildr: step \d+/\d+ ([A-Z]+) ", line))
    ]
    file = printed(
        *("-c", BUILDR, "containerfile", "packages.py"),
        cwd=ROOT / "examples",
        BUILDR_BASE_IMAGE="localhost/base",
    )
    instructions = [found[0] for line in file if (found := re.match(r"[A-Z]+(?= )", line))]
    assert steps == instructions


def test_the_progress_line_is_the_only_additional_one() -> None:
    said, moving = after("progress", "buildr build --no-cache packages.py")
    assert said == "buildr: dependencies from the inline metadata of packages.py"
    assert re.match(r"\S packages: installing (packages|\d+ packages?) .*· \d+:\d\d$", moving)


def test_the_second_run_prints_no_message() -> None:
    lines = shown("run")
    assert [line.startswith("buildr: ") for line in lines].count(True) == 1
    assert (
        len([line for line in lines if re.fullmatch("hello reader, from [0-9a-f]{12}", line)]) == 2
    )
    assert lines[1].startswith("buildr: ")


def test_the_doctor_shows_its_current_checks(tmp_path: Path) -> None:
    lines = after("doctor", "buildr doctor")
    assert re.sub(r"[\d.]+", "", lines[0]).startswith(
        re.sub(r"[\d.]+", "", f"buildr {__version__}, Python , ")
    )
    found = examined(Machine(tmp_path), {"podman": Podman(), "docker": ABSENT})
    names = [line[6:22].strip() for line in lines if re.match(r"(ok|warn|fail) ", line)]
    assert names == [check.name for check in found.checks]
    assert lines[-1].startswith("Scripts can run in containers here")


def test_a_picture_has_the_text_of_the_screen() -> None:
    screen = "$ ls  -l\n\n\x1b[1;31merror:\x1b[0m <&> it's \x1b[32mgreen\x1b[0m\n    fix"
    drawn = draw("x", screen)
    assert read(drawn) == ["$ ls  -l", "", "error: <&> it's green", "    fix"]
    assert "#cc555a" in drawn
    assert "<image" not in drawn
    ET.fromstring(drawn)  # noqa: S314 - our own


def test_private_facts_of_the_machine_are_never_drawn() -> None:
    check(["a line", "of host"], {"hostname"})
    with pytest.raises(ScreenError, match="would show 'me'"):
        check(["a line", "by me"], {"me", "you"})
