"""What the first process settles before the command starts, run here as an ordinary process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from buildr.guest import init, surroundings
from tests.unit.processes import python

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


def variables(directory: Path, given: dict[str, str], *names: str) -> tuple[list[str], bytes]:
    """Return what a command sees of some variables, and what was said."""
    code = f"import os; print(*(os.environ.get(name, '-') for name in {names!r}), sep='|')"
    done = python("-IS", init.__file__, sys.executable, "-c", code, cwd=directory, env=given)
    return done.stdout.decode().strip().split("|"), done.stderr


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({"LANG": "xx_YY.UTF-8", "LC_TIME": "zz_ZZ"}, ["C.UTF-8", "C.UTF-8"]),
        ({"LANG": "C.UTF-8", "LC_TIME": "zz_ZZ"}, ["C.UTF-8", "C.UTF-8"]),
        ({"LANG": "C", "LC_TIME": "POSIX"}, ["C", "POSIX"]),
        ({"LANG": ""}, ["", "-"]),
    ],
)
def test_a_missing_locale_is_replaced(
    tmp_path: Path, given: dict[str, str], seen: list[str]
) -> None:
    environ = {**given, surroundings.LOCALE: " ".join(given)}
    found, said = variables(tmp_path, environ, "LANG", "LC_TIME", surroundings.LOCALE)
    assert (found, said) == ([*seen, "-"], b"")


def test_a_locale_set_by_the_user_is_kept(tmp_path: Path) -> None:
    given = {"LANG": "xx_YY.UTF-8", "LC_TIME": "zz_ZZ", surroundings.LOCALE: "LC_TIME"}
    assert variables(tmp_path, given, "LANG", "LC_TIME")[0] == ["xx_YY.UTF-8", "C.UTF-8"]


@pytest.mark.parametrize(
    ("zone", "rule", "seen"),
    [
        ("No/Where", BERLIN, BERLIN),
        (":No/Where", BERLIN, BERLIN),
        ("UTC", "UTC0", "UTC"),
        ("", "", ""),
    ],
)
def test_a_time_zone_without_data_becomes_a_rule(
    tmp_path: Path, zone: str, rule: str, seen: str
) -> None:
    (tmp_path / "UTC").touch()
    given = {"TZ": zone, surroundings.TIME_ZONE: rule, "TZDIR": str(tmp_path)}
    assert variables(tmp_path, given, "TZ", surroundings.TIME_ZONE) == ([seen, "-"], b"")


def test_an_unknown_time_zone_is_reported(tmp_path: Path) -> None:
    given = {"TZ": "No/Where", surroundings.TIME_ZONE: ""}
    found, said = variables(tmp_path, given, "TZ")
    assert found == ["No/Where"]
    assert said.startswith(b"buildr: the image has no data for the time zone No/Where")


USER = """\
import os, sys
sys.path.insert(0, {folder!r})
import surroundings
os.getuid = lambda: {uid}
surroundings.settle()
import getpass
print(getpass.getuser())
"""


@pytest.mark.parametrize(
    ("uid", "environ", "name"),
    [(0, {}, "root"), (54321, {}, "app"), (54321, {"USER": "me"}, "me"), (0, {"USER": ""}, "root")],
)
def test_every_uid_has_a_name(uid: int, environ: dict[str, str], name: str) -> None:
    code = USER.format(folder=str(Path(surroundings.__file__).parent), uid=uid)
    command = [sys.executable, "-IS", "-c", code]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"{name}\n"
