"""Script mode: the guest behaves as the script does without Buildr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.guest.app import noise_of
from tests.engine.harness import give, plain_buildr, project_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine, Guest

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

MEBIBYTE = 1 << 20
HOSTILE = (
    "--version",
    "-c",
    "-",
    "two words",
    "",
    " ",
    "'single' \"double\"",
    "$HOME ${PATH} $(id) `id`",
    "back\\slash \\n \\",
    "--help",
    "-u",
    "--",
    "line one\nline two\r\n\ttabbed\n",
    "grüße 日本語 🐋",
    '["JSON"]',
    "# comment; && || | > < * ? [a-z] ~",
    "%s {} {{ 7 * 7 }}",
    "x" * 100 * 1024,
)

CASES = {
    "nothing": (("status", "0"), 0),
    "1": (("status", "1"), 1),
    "3": (("status", "3"), 3),
    "255": (("status", "255"), 255),
    "text": (("text",), 1),
    "exception": (("fail",), 1),
    "SIGKILL": (("die", "SIGKILL"), 137),
    "SIGTERM": (("die", "SIGTERM"), 143),
}


@pytest.mark.parametrize(("words", "status"), CASES.values(), ids=CASES)
def test_status_and_output_are_the_same_as_without_buildr(
    guest: Guest, words: tuple[str, ...], status: int
) -> None:
    outside = guest.without_buildr(*words)
    inside = guest.run(*words)
    # A shell shows death by signal n as 128 + n.
    assert inside.returncode == outside.returncode % 256 if outside.returncode >= 0 else status
    assert inside.returncode == status
    assert inside.stdout == outside.stdout
    assert _words(inside.stderr, "/app") == _words(outside.stderr, str(guest.directory))


def _words(stderr: bytes, directory: str) -> list[str]:
    """Return the lines of a traceback that do not depend on paths and the version of Python."""
    text = stderr.decode().replace(directory + "/", "")
    # The source lines and markers of tracebacks differ between versions of Python.
    return [line for line in text.splitlines() if line and not line.startswith("    ")]


# Streams -----------------------------------------------------------------------------------------


def test_input_reaches_the_guest_and_both_outputs_come_back_separate_and_exact(
    guest: Guest,
) -> None:
    data = noise_of(MEBIBYTE)
    done = guest.run("echo", stdin=data)
    assert done.stdout == data
    assert done.stderr == data[::-1]


def test_ten_mebibytes_without_a_line_end_arrive_unchanged(guest: Guest) -> None:
    size = 10 * MEBIBYTE + 1
    done = guest.run("noise", str(size))
    assert (len(done.stdout), done.stderr) == (size, b"")
    assert (done.stdout == noise_of(size)) is True  # pytest would show the difference


def test_the_order_within_each_stream_is_kept(guest: Guest) -> None:
    done = guest.run("order", "2000")
    assert done.stdout.splitlines() == [b"out %d" % number for number in range(2000)]
    assert done.stderr.splitlines() == [b"err %d" % number for number in range(2000)]


@pytest.mark.parametrize("redirection", ["</dev/null", "<&-", "</dev/zero"])
def test_a_guest_ends_with_any_standard_input(guest: Guest, redirection: str) -> None:
    # /dev/zero is endless, so the end of a guest that reads nothing must not depend on it.
    case = "deaf" if "zero" in redirection else "echo"
    done = guest.shell(f"exec {guest.line(case)} {redirection}")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (b"heard nothing\n" if case == "deaf" else b"")


@pytest.mark.parametrize("redirection", [">&-", "<&- >&- 2>&-"])
def test_a_closed_output_loses_only_its_own_text(guest: Guest, redirection: str) -> None:
    done = guest.shell(f"exec {guest.line('order', '2')} {redirection}")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == (b"" if "2>&-" in redirection else b"err 0\nerr 1\n")


def test_an_output_error_is_reported(guest: Guest) -> None:
    done = guest.shell(f"exec {guest.line('order', '2')} >/dev/full")
    assert done.returncode == 125
    assert b"standard output cannot be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_leaves_ends_the_guest(guest: Guest) -> None:
    before = guest.engine.containers()
    process = guest.start("endless")
    assert process.stdout is not None
    assert process.stdout.readline() == b"more\n"
    process.stdout.close()
    _, errors = process.communicate()
    assert process.returncode == -13  # SIGPIPE, as for any other command
    assert errors == b""
    assert guest.engine.containers() <= before


# Arguments and places ----------------------------------------------------------------------------


def test_arguments_arrive_as_they_were_given(guest: Guest) -> None:
    done = guest.run("arguments", *HOSTILE)
    assert done.returncode == 0, done.stderr
    assert tuple(json.loads(done.stdout)) == HOSTILE


WHERE = """\
import json, os, sys
from buildr import Containerize

@Containerize
def main():
    seen = [os.path.realpath(path) for path in (sys.argv[0], __file__, sys.path[0])]
    json.dump([*seen, sys.argv[1:], __name__, __package__, os.getcwd()], sys.stdout)

if __name__ == "__main__":
    main()
"""
ODD = "-odd '$HOME' \"${X}\" \\ $(id) ünï 日.py"
SCRIPTS = (ODD, "blank dir/tool.py", "folder/__main__.py", "pkg/mod.py")

# The caller's directory, and the arguments of `python`. `@` is the project, whose path has a blank too.
PLACES = {
    "odd name": ("@", (f"./{ODD}",)),
    "from a directory below": ("@/blank dir", (f"../{ODD}",)),
    "absolute, from elsewhere": ("/", (f"@/{ODD}",)),
    "relative, from elsewhere": ("@/../elsewhere", (f"../two words/{ODD}",)),
    "through a link elsewhere": ("@/../elsewhere", ("link.py",)),
    "link": ("@", ("link.py",)),
    "folder": ("@", ("folder/",)),
    "module": ("@", ("-m", "pkg.mod")),
}


@pytest.fixture(scope="module")
def places(engine: Engine) -> Iterator[Path]:
    """A project with scripts in various places."""
    for directory in project_directory(engine, "two words"):
        for name in SCRIPTS:
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(WHERE)
        # A file that makes the directory above the script a project root.
        (directory / "setup.cfg").touch()
        (directory / "link.py").symlink_to("blank dir/tool.py")
        (directory.parent / "elsewhere").mkdir()
        (directory.parent / "elsewhere" / "link.py").symlink_to(f"../two words/{ODD}")
        plain_buildr(directory.parent / "plain")
        give(engine, directory)
        yield directory


@pytest.mark.parametrize(("directory", "words"), PLACES.values(), ids=PLACES)
def test_a_script_has_the_same_paths_as_without_buildr(
    engine: Engine, places: Path, directory: str, words: tuple[str, ...]
) -> None:
    project = str(places)
    current = directory.replace("@", project)
    words = tuple(word.replace("@", project) for word in words)
    plain = {"PYTHONPATH": str(places.parent / "plain")}
    outside = engine.python(*words, "an argument", cwd=Path(current), env=plain)
    inside = engine.python(*words, "an argument", cwd=Path(current))
    assert inside.returncode == 0, inside.stderr.decode()
    *wanted, stood = json.loads(outside.stdout.replace(project.encode(), b"/app"))
    *found, stands = json.loads(inside.stdout)
    assert found == wanted
    # A directory outside the context has no counterpart in the container.
    assert stands == (stood if stood.startswith("/app") else "/app")
