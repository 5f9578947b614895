"""The guest part on every Python that is here, from the oldest that it is made for."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from buildr.guest import transfer
from buildr.plan.guest_files import guest_files

PYTHONS = [f"3.{minor}" for minor in range(8, 16)]
SCRIPT = """\
import sys
import buildr
from buildr import Containerize, Mount, PackageFile, PackageOptions, Port, RuntimeOptions

@Containerize(
    package=PackageOptions(name="x", additional_files=[PackageFile("a", "/a", "0400")], extras=["cli"]),
    runtime=RuntimeOptions(ports=[Port(host=1, container=2)], mounts=[Mount("a", "/b")]),
)
def main() -> "int":
    return 1

@Containerize
async def other():
    pass

assert main() == main.local() == 1
assert other.local is other
main.cancel()
assert buildr.is_in_docker_container() is True
assert issubclass(buildr.BuildrError, Exception) and buildr.__version__
loaded = [name for name in sys.modules if name.split(".")[0] == "buildr"]
print("%d.%d" % sys.version_info[:2], sys.argv[1:], *sorted(loaded))
sys.exit(3)
"""


def interpreter(version: str) -> str | None:
    """Return a Python of a version: from PATH, or one of pyenv's."""
    own = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for found in (
        shutil.which(f"python{version}"),
        *map(str, Path(own).glob(f"versions/{version}.*/bin/python")),
    ):
        asked = [found or "", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        try:
            done = subprocess.run(asked, capture_output=True, check=False)
        except OSError:
            continue
        if done.stdout.decode().strip() == version:
            return found
    return None


@pytest.fixture(params=PYTHONS)
def python(request: pytest.FixtureRequest) -> str:
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"there is no Python {request.param} here")
    return found


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """A folder with what images hold."""
    for name, data in guest_files():
        path = tmp_path / "guest" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "app.py").write_text(SCRIPT)
    return tmp_path / "guest"


def run(*words: str, guest: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        words,
        cwd=guest.parent,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(guest), **env},
        capture_output=True,
        check=False,
    )


def test_a_script_runs_under_the_first_process_with_the_public_names(
    python: str, guest: Path
) -> None:
    init = str(guest / "buildr" / "guest" / "init.py")
    command = (python, "-IS", init, python, "-W", "error", "-u", "app.py", "a b")
    done = run(*command, guest=guest, BUILDR_IN_CONTAINER="true")
    assert (done.returncode, done.stderr) == (3, b"")
    _, rest = done.stdout.decode().split(" ", maxsplit=1)
    names = "buildr buildr._version buildr.errors buildr.guest buildr.guest.detection buildr.guest.shadows"
    assert rest == f"['a b'] {names}\n"


CALLED = """\
import os
from buildr import Containerize

@Containerize
async def main(a, *, b):
    if a == "fail":
        raise ValueError(a, b)
    return [a, b, __name__, os.read(0, 1).decode()]

if __name__ == "__main__":
    raise SystemExit("the guard was not passed by")
"""


@pytest.mark.parametrize("pickled", [False, True])
def test_a_single_function_runs_and_answers(
    python: str, guest: Path, tmp_path: Path, pickled: bool
) -> None:
    (tmp_path / "app.py").write_text(CALLED)
    head = {
        "module": "__mp_main__",
        "path": str(tmp_path / "app.py"),
        "spec": "",
        "function": "main",
        "pickled": pickled,
        "limit": 1000,
    }

    def call(word: str) -> tuple[str, Any]:
        arguments: Any = ((word,), {"b": 1.5})
        payload = pickle.dumps(arguments) if pickled else json.dumps(arguments).encode()
        runner = str(guest / "buildr" / "guest" / "call.py")
        done = subprocess.run(
            [python, "-W", "error", "-u", runner, str(tmp_path / "result")],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(guest)},
            input=transfer.message(head, payload),
            capture_output=True,
            check=False,
        )
        assert done.stderr == b""
        answer = transfer.parse((tmp_path / "result").read_bytes())
        assert answer is not None
        kind, data = answer[0]["kind"], answer[1]
        return kind, pickle.loads(data) if pickled and kind == "value" else json.loads(data)  # noqa: S301 - our own

    assert call("a") == ("value", ["a", 1.5, "__mp_main__", ""])
    kind, report = call("fail")
    assert (kind, report["builtin"], report["arguments"]) == (
        "error",
        "ValueError",
        ["fail", 1.5],
    )
    assert "raise ValueError(a, b)" in report["traceback"]


@pytest.mark.parametrize(
    ("capture", "inside"),
    [
        ("0::/\n", False),
        (
            "0::/libpod_parent/libpod-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
            True,
        ),
    ],
)
def test_detection_reads_recordings(
    python: str, guest: Path, tmp_path: Path, capture: str, inside: bool
) -> None:
    (tmp_path / "proc" / "1").mkdir(parents=True)
    (tmp_path / "proc" / "1" / "cgroup").write_text(capture)
    code = (
        "from buildr.guest.detection import detect\n"
        f"found = detect({str(tmp_path)!r}, {{}})\nprint(found.inside, found.engine)"
    )
    done = run(python, "-W", "error", "-c", code, guest=guest)
    assert done.stderr == b""
    assert done.stdout.decode().split()[0] == str(inside)
