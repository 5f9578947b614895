"""The guest's side of call mode as a separate process: `buildr.guest.call`."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from buildr.guest import transfer
from buildr.guest.loading import MAIN
from buildr.plan.guest_files import guest_files

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
import os, sys
from buildr import Containerize

class Point:
    def __init__(self, x):
        self.x = x

class MyError(Exception):
    pass

def other(function):
    return lambda *args: "never called"

@other
@Containerize
def wrapped(x):
    return x

@Containerize
def where():
    return [__name__, __package__ or "", sys.argv, sys.path[0], os.getcwd(), sys.stdin.read() or os.readlink("/proc/self/fd/0"), __file__]

@Containerize
async def later(x):
    return x

@Containerize
def moved(point):
    return Point(point.x + 1)

@Containerize
def failing(kind):
    if kind == "own":
        raise MyError("mine")
    if kind == "exit":
        sys.exit(3)
    if kind == "note":
        error = ValueError("a", 1)
        error.__notes__ = ["look here"]
        raise error
    if kind == "complex":
        return 1j
    if kind == "fork":
        read, write = os.pipe()
        if os.fork():
            return "parent"
        os.close(write)
        os.read(read, 1)  # until the parent has ended
        return "child"
    if kind == "os":
        open("/not/there")
    if kind == "decode":
        b"\\xff".decode()

class App:
    @staticmethod
    @Containerize
    def run(a, *, b):
        return [a, b]

if __name__ == "__main__":
    raise SystemExit("the guard was not passed by")
"""


class Guest:
    """A folder like an image: the guest part, and a script with a package beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, data in guest_files():
            self.write(f"guest/{name}", data)
        self.write("app/tool.py", SCRIPT.encode())
        self.write("app/pkg/__init__.py", b"")
        self.write("app/pkg/mod.py", SCRIPT.encode())
        self.write("app/folder/__main__.py", SCRIPT.encode())

    def write(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def ask(
        self, head: dict[str, Any], payload: bytes, python: str = sys.executable
    ) -> tuple[dict[str, Any], bytes | bytearray]:
        """Run the runner; return the answer."""
        result = self.root / "result"
        result.write_bytes(b"")
        runner = self.root / "guest" / "buildr" / "guest" / "call.py"
        done = subprocess.run(
            [python, "-W", "error", "-u", str(runner), str(result)],
            cwd=self.root / "app",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(self.root / "guest"),
                "BUILDR_IN_CONTAINER": "1",
            },
            input=transfer.message(head, payload),
            capture_output=True,
            check=False,
        )
        assert done.stderr == b""
        answer = transfer.parse(result.read_bytes())
        assert answer is not None
        assert done.returncode == (answer[0]["kind"] != "value")
        return answer

    def call(self, function: str, *args: Any, **more: Any) -> Any:
        """Call a function of the script; return its kind, and what came with it."""
        head, payload = request(self.root, function, args, **more)
        answer, data = self.ask(head, payload)
        return answer["kind"], json.loads(data)


def request(
    root: Path,
    function: str,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[dict[str, Any], bytes]:
    head = {
        "module": MAIN,
        "path": str(root / "app" / "tool.py"),
        "spec": "",
        "function": function,
        "pickled": False,
        "limit": 1000,
        **more,
    }
    return head, json.dumps([args, kwargs or {}]).encode()


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


def test_a_script_is_imported_without_its_main_guard(
    guest: Guest,
) -> None:
    app = guest.root / "app"
    file = str(app / "tool.py")
    assert guest.call("where") == (
        "value",
        ["__mp_main__", "", [file], str(app), str(app), "/dev/null", file],
    )


def test_a_folder_with_a_main_is_a_script(guest: Guest) -> None:
    folder = guest.root / "app" / "folder"
    kind, seen = guest.call("where", path=str(folder))
    assert (kind, seen[2:4]) == ("value", [[str(folder / "__main__.py")], str(folder)])


def test_a_module_run_by_name_knows_its_package(guest: Guest) -> None:
    app = guest.root / "app"
    file = str(app / "pkg" / "mod.py")
    assert guest.call("where", path="", spec="pkg.mod") == (
        "value",
        ["__mp_main__", "pkg", [file], str(app), str(app), "/dev/null", file],
    )


def test_an_imported_module_has_its_own_name(guest: Guest) -> None:
    assert guest.call("where", path="", spec="pkg.mod", module="pkg.mod")[1][:2] == [
        "pkg.mod",
        "pkg",
    ]
    assert guest.call("where", module="tool")[1][0] == "tool"


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "result"),
    [
        ("wrapped", (5,), {}, 5),
        ("later", (6,), {}, 6),
        ("App.run", (7,), {"b": {"c": [1.5, None, True, "ü"]}}, [7, {"c": [1.5, None, True, "ü"]}]),
    ],
)
def test_every_kind_of_function_is_found(
    guest: Guest, function: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> None:
    head, payload = request(guest.root, function, args, kwargs)
    answer, data = guest.ask(head, payload)
    assert (answer["kind"], json.loads(data)) == ("value", result)


def test_classes_of_the_script_are_pickled_with_the_host_s_module(guest: Guest) -> None:
    head, _ = request(guest.root, "moved", pickled=True)
    sent = b"\x80\x05c__main__\nPoint\n)\x81}\x8c\x01xK\x01sb\x85}\x86."  # (Point with x=1,), {}
    answer, data = guest.ask(head, sent)
    assert answer["kind"] == "value"
    assert b"__mp_main__" in data
    assert b"Point" in data


@pytest.mark.parametrize(
    ("kind", "builtin", "arguments"),
    [
        ("own", "", None),
        ("exit", "SystemExit", [3]),
        ("note", "ValueError", ["a", 1]),
        ("os", "FileNotFoundError", [2, "No such file or directory", "/not/there"]),
        (
            "decode",
            "UnicodeDecodeError",
            ["utf-8", ["bytes", "\xff"], 0, 1, "invalid start byte"],
        ),
    ],
)
def test_an_exception_is_described_so_that_a_built_in_one_can_be_rebuilt(
    guest: Guest, kind: str, builtin: str, arguments: list[Any] | None
) -> None:
    reported, report = guest.call("failing", kind)
    assert reported == "error"
    assert (report["builtin"], report["arguments"]) == (builtin, arguments)
    assert report["type"] == (builtin or "MyError")
    assert report["notes"] == (["look here"] if kind == "note" else [])
    first, second, *_ = report["traceback"].splitlines()
    assert first == "Traceback (most recent call last):"
    assert second.endswith(", in failing")  # nothing of the runner's own
    assert "__mp_main__" not in report["traceback"]


def test_unsupported_results_are_refused_in_the_guest(guest: Guest) -> None:
    assert guest.call("failing", "complex")[1][0].startswith(
        "result cannot travel: it is of the type complex"
    )
    kind, (what, _) = guest.call("later", "x" * 2000)
    assert (kind, what) == ("refused", "result has 2002 bytes, and 1000 may travel")


def test_a_child_that_the_function_forked_does_not_answer(guest: Guest) -> None:
    assert guest.call("failing", "fork") == ("value", "parent")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"function": "nothing"}, "there is no nothing in "),
        ({"path": "/not/there.py"}, "the script /not/there.py is not in the container"),
        ({"path": "", "spec": "nothing"}, "the module nothing is not in the container"),
    ],
)
def test_a_missing_module_or_function_is_reported(
    guest: Guest, changes: dict[str, Any], what: str
) -> None:
    kind, (reported, _) = guest.call(changes.pop("function", "where"), **changes)
    assert kind == "missing"
    assert reported.startswith(what)


def test_an_exception_during_the_import_of_the_script_is_reported(guest: Guest) -> None:
    guest.write("app/tool.py", b"import no_such_module")
    kind, report = guest.call("where")
    assert (kind, report["type"]) == ("error", "ModuleNotFoundError")
    assert report["state"] == {"name": "no_such_module"}


def test_exceptions_that_cannot_be_shown_are_still_reported(guest: Guest) -> None:
    guest.write(
        "app/tool.py",
        b"class Bad(Exception):\n def __str__(self): raise RuntimeError\ndef f(): raise Bad",
    )
    kind, report = guest.call("f")
    assert (kind, report["type"], report["text"]) == ("error", "Bad", "(it cannot be shown)")


def test_a_long_traceback_is_shortened_in_the_middle(guest: Guest) -> None:
    guest.write("app/tool.py", b"def f(): raise ValueError('a' + 'x' * 1000000 + 'z')")
    _, report = guest.call("f")
    assert report["arguments"] is None
    assert len(report["text"]) < 70_000
    assert "characters left out" in report["text"]
    assert report["text"].endswith("z")


def test_a_truncated_request_has_no_answer(guest: Guest) -> None:
    runner = guest.root / "guest" / "buildr" / "guest" / "call.py"
    done = subprocess.run(
        [sys.executable, str(runner), str(guest.root / "result")],
        env={"PYTHONPATH": str(guest.root / "guest")},
        input=b"{}",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"buildr: the request for a call broke off\n")
    assert not (guest.root / "result").exists()


def test_pickles_of_the_host_are_read_in_the_guest(guest: Guest) -> None:
    head, _ = request(guest.root, "later", pickled=True)
    answer, data = guest.ask(head, pickle.dumps((((1, 2),), {}), protocol=5))
    assert answer["kind"] == "value"
    assert pickle.loads(data) == (1, 2)  # noqa: S301 - our own
