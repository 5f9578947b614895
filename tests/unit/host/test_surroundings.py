"""What a process was given is missing or used up: one line says so, and what to do, and the status is 125."""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

import pytest

from buildr.host.exit_status import exit_status_of
from buildr.host.surroundings import explained
from tests.unit.processes import app, python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildr.host.signals import Signals

NO_THREADS = """\
def no_thread(self):
    raise RuntimeError("can't start new thread")

threading.Thread.start = no_thread
"""


def limit(which: int, most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(which, (most, most))


def test_a_missing_thread_is_reported(tmp_path: Path) -> None:
    """As with `ulimit -u`, which does not hold for root."""
    (tmp_path / "app.py").write_text(app("return 3", faults=NO_THREADS))
    done = python("app.py", cwd=tmp_path)
    assert done.returncode == 125
    assert b"buildr: error: no more threads are allowed here\n" in done.stderr
    assert b"ulimit -u" in done.stderr
    assert b"Traceback" not in done.stderr


def test_too_few_open_files_are_reported(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app("return 3"))
    done = python("app.py", cwd=tmp_path, preexec_fn=limit(resource.RLIMIT_NOFILE, 8))
    assert done.returncode == 125
    assert b"buildr: error: no more open files are allowed here\n" in done.stderr
    assert b"ulimit -n" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [("app.py",), ("-m", "buildr", "run", "app.py"), ("-m", "buildr", "containerfile", "app.py")],
    ids=["python", "run", "containerfile"],
)
def test_a_removed_directory_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    script = tmp_path / "app.py"
    script.write_text(app("return 3"))
    gone = tmp_path / "gone"
    gone.mkdir()
    if words[0] == "app.py":
        words = (str(script),)
    done = python(*words, cwd=gone, preexec_fn=gone.rmdir)
    assert done.returncode == 125
    assert done.stderr.startswith(b"buildr: error: the ")
    assert b"does not exist any more\nChange to one that does" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("status", [0, 3])
def test_pythoninspect_opens_no_prompt_after_a_run(tmp_path: Path, status: int) -> None:
    call = "import atexit; atexit.register(print, 'exit function'); main()"
    (tmp_path / "app.py").write_text(app(f"return {status}", call=call))
    done = python("app.py", cwd=tmp_path, env={"PYTHONINSPECT": "1"}, stdin=b"print('prompt')\n")
    assert (done.returncode, done.stdout) == (status, b"exit function\n")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "there is not enough memory"),
        (OSError(errno.ENOMEM, "x"), "there is not enough memory"),
        (
            ImportError("x.so: failed to map segment from shared object"),
            "there is not enough memory",
        ),
        (OSError(errno.EMFILE, "x"), "no more open files are allowed here"),
        (BlockingIOError(errno.EAGAIN, "x"), "no more processes are allowed here"),
        (
            OSError(errno.ENOSPC, "x", "/full/file"),
            "there is no space left on the disk for /full/file",
        ),
        (OSError(errno.EDQUOT, "x"), "there is no space left on the disk"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/ro"), "/ro: Read-only file system"),
    ],
)
def test_an_error_of_the_environment_is_one_message_and_125(
    error: Exception, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def action(_signals: Signals) -> int:
        raise error

    assert exit_status_of(action) == 125
    assert capfd.readouterr().err.splitlines()[0] == f"buildr: error: {said}"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("x"),
        ImportError("x"),
        FileNotFoundError(errno.ENOENT, "x"),
        OSError("x"),
        KeyError(),
    ],
)
def test_an_internal_error_is_not_an_error_of_the_environment(error: Exception) -> None:
    assert explained(error) is None
