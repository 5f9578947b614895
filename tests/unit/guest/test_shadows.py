"""Files of the user's that are named like modules which Buildr needs, on the host and in call mode's guest."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildr.guest import call, shadows, transfer
from buildr.guest.loading import MAIN
from buildr.plan.guest_files import guest_files

if TYPE_CHECKING:
    from collections.abc import Collection

EVERYTHING = sorted({*sys.stdlib_module_names, *shadows.LIBRARIES} - {"_thread", "buildr"})
HOST = """\
import queue
from buildr import Containerize
import json, random, threading, jinja2, signal
from buildr.testing import FakeBackend, using
print(all(module.MINE for module in (queue, json, random, threading, jinja2, signal)))

@Containerize(package={"dependencies": []})
def main():
    pass

@Containerize(package={"dependencies": []})
def double(x):
    return [x, json.MINE, random.MINE]

def guest(container):
    from buildr.testing import call_in
    found = call_in(container)
    return found.run() if found else 3

if __name__ == "__main__":
    with using(FakeBackend(guest)):
        print(double.remote(2), list(double.map([3])))
        import string
        print(string.MINE)
        main()
"""


def populate(folder: Path, names: Collection[str] = EVERYTHING) -> None:
    folder.mkdir()
    for name in names:
        (folder / f"{name}.py").write_text("MINE = True\n")


def test_all_names_of_standard_modules_and_libraries_together(tmp_path: Path) -> None:
    populate(tmp_path / "project")
    (tmp_path / "project" / "app.py").write_text(HOST)
    environ = {"PATH": os.defpath, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-B", str(tmp_path / "project" / "app.py")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == (
        "True\n[2, True, True] [[3, True, True]]\nTrue\n",
        3,
    ), done.stderr
    assert "Traceback" not in done.stderr


SINGLE = """\
from buildr import Containerize
import {name}
from buildr.testing import FakeBackend, using
@Containerize(package={{"dependencies": []}})
def main():
    pass
print({name}.MINE)
with using(FakeBackend(lambda container: 3)):
    main()
"""


@pytest.mark.parametrize(
    "name", ["types", "msgspec", "enum", "datetime", "json", "signal", "threading"]
)
def test_a_single_shadowing_name(tmp_path: Path, name: str) -> None:
    populate(tmp_path / "project", [name])
    (tmp_path / "project" / "app.py").write_text(SINGLE.format(name=name))
    environ = {"PATH": os.defpath, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-B", str(tmp_path / "project" / "app.py")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("True\n", 3), done.stderr


def test_the_command_runs_in_a_folder_with_shadowing_files(tmp_path: Path) -> None:
    code = "import runpy, pkgutil, sys; print(*sys.modules)"
    at_start = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    populate(tmp_path / "project", set(EVERYTHING) - set(at_start))  # Python itself would fail
    (tmp_path / "project" / "app.py").write_text("print(1)\n")
    environ = {"PATH": os.defpath, "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "buildr", "containerfile", "app.py"]
    done = subprocess.run(command, env=environ, cwd=tmp_path / "project", capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "FROM " in done.stdout


GUEST = """\
import json, traceback, importlib
def f(x):
    return [x, json.MINE, traceback.MINE]
def fail():
    raise ValueError("bad")
async def later():
    return 5
"""


@pytest.mark.parametrize(
    ("function", "arguments", "kind", "answer"),
    [("f", [1], "value", "[1,true,true]"), ("fail", [], "error", "bad"), ("later", [], "value", "5")],
)  # fmt: skip
def test_call_mode_in_the_guest(
    tmp_path: Path, function: str, arguments: list[object], kind: str, answer: str
) -> None:
    populate(tmp_path / "project")
    (tmp_path / "project" / "app.py").write_text(GUEST)
    root = tmp_path / "guest"
    for path, data in guest_files():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    head = {
        "module": MAIN,
        "path": str(tmp_path / "project" / "app.py"),
        "function": function,
        "pickled": False,
        "limit": 1000,
    }
    request = transfer.message(head, json.dumps([arguments, {}]).encode())
    script = root / "buildr" / "guest" / Path(call.__file__).name
    (tmp_path / "src").mkdir()
    for name in ("json", "traceback", "asyncio", "importlib", "pickle", "typing"):
        (tmp_path / "src" / f"{name}.py").write_text("MINE = 'in PYTHONPATH'\n")
    environ = {"PYTHONPATH": f"{tmp_path / 'src'}:{root}", "BUILDR_IN_CONTAINER": "1"}
    done = subprocess.run(
        [sys.executable, "-B", script, tmp_path / "answer"],
        input=request,
        env=environ,
        capture_output=True,
        check=False,
    )
    parsed = transfer.parse((tmp_path / "answer").read_bytes())
    assert parsed is not None, done.stderr
    assert parsed[0]["kind"] == kind, (parsed, done.stderr.decode())
    assert answer in parsed[1].decode()


def test_the_public_names_in_the_guest(tmp_path: Path) -> None:
    populate(tmp_path / "project")
    code = "import buildr, json; print(buildr.is_in_docker_container(), buildr.BuildrError.__name__, json.MINE)"
    (tmp_path / "project" / "app.py").write_text(code)
    for path, data in guest_files():
        (tmp_path / "guest" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "guest" / path).write_bytes(data)
    environ = {"PYTHONPATH": str(tmp_path / "guest"), "BUILDR_IN_CONTAINER": "1"}
    command = [sys.executable, "-B", str(tmp_path / "project" / "app.py")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.stdout == "True BuildrError True\n", done.stderr


def test_without_shadowing_files_imports_are_unchanged(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import builtins; before = builtins.__import__; import buildr; print(before is builtins.__import__)"
    )
    found = subprocess.check_output([sys.executable, tmp_path / "app.py"], text=True)
    assert found == "True\n"


def test_the_libraries_are_the_required_ones() -> None:
    wanted, found = ["buildr-oci"], set()
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or ():
            requirement, _, marker = line.partition(";")
            if "extra" not in marker and "python_version" not in marker and "win32" not in marker:
                wanted.append(re.split(r"[^\w.-]", requirement.strip())[0])
    imported = {"python-dotenv": "dotenv", "markdown-it-py": "markdown_it"}
    names = {imported.get(name.lower(), name.lower().replace("-", "_")) for name in found}
    assert names - {"buildr_oci"} <= shadows.LIBRARIES
