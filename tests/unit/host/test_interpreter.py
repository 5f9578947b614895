"""The options that Python itself was started with."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from buildr.host.interpreter import interpreter_options, is_python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("app.py", ""),
        ("-O app.py -W no", "-O"),
        ("-OO app.py", "-O -O"),
        ("-OBu app.py", "-O -B"),
        ("-W error -Wd app.py", "-W error -W d"),
        ("-X dev -Xutf8 app.py", "-X dev -X utf8"),
        ("-OX dev app.py -B", "-O -X dev"),
        ("-IEsSP -u -i -q app.py", ""),
        ("-O -m package -W", "-O"),
        ("-Om package", "-O"),
        ("-O -c code", "-O"),
        ("--check-hash-based-pycs always -b app.py", "-b"),
        ("-O", "-O"),
        ("- -O", ""),
        ("-W", "-W "),
    ],
)
def test_options_that_affect_the_script_are_kept(words: str, kept: str) -> None:
    found = interpreter_options(("python", *words.split(" ")))
    assert found == tuple(kept.split(" ") if kept else ())


@pytest.mark.parametrize("options", ["-O", "-OO -X dev", "-W error::UserWarning -bb"])
def test_options_have_the_meaning_of_python(tmp_path: Path, options: str) -> None:
    code = (
        "import sys; from buildr.host.interpreter import interpreter_options as options;"
        "f = sys.flags; print([f.optimize, f.dev_mode, f.bytes_warning, sys.warnoptions, sys._xoptions]);"
        "print(*options(sys.orig_argv), sep='\\n')"
    )
    (tmp_path / "app.py").write_text(code)
    command = [sys.executable, *options.split(), str(tmp_path / "app.py")]
    first = subprocess.check_output(command, text=True).splitlines()
    command = [sys.executable, *first[1:], str(tmp_path / "app.py")]
    assert subprocess.check_output(command, text=True).splitlines() == first


@pytest.mark.parametrize(
    ("program", "python"),
    [("python", True), ("/usr/bin/python3.12", True), ("pythonw", False), ("sh", False)],
)
def test_a_python_is_recognized_by_its_name(program: str, python: bool) -> None:
    assert is_python(program) is python


@pytest.mark.parametrize(
    "command", [["app.py"], ["./app.py"], ["-O", "{folder}/app.py"], ["-m", "app"], ["-Om", "app"]]
)
def test_arguments_are_those_of_the_start_even_if_the_script_changes_them(
    tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "app.py").write_text(
        "import sys, os; start = os.getcwd(); del sys.argv[1:]; os.chdir('/')\n"
        "from buildr.host.interpreter import own_arguments as own\n"
        "print(own(__spec__.name if __spec__ else start + '/app.py', start), own('/other', '/'))\n"
    )
    words = [word.format(folder=tmp_path) for word in command]
    found = subprocess.check_output(
        [sys.executable, *words, "-x", "a b", ""], text=True, cwd=tmp_path
    )
    assert found == "('-x', 'a b', '') ()\n"
