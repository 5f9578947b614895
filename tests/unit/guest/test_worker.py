"""A worker as a separate process, without a container: `buildr.guest.worker` with the host's FIFOs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines.container_spec import ContainerSpec
from buildr.guest import frames, transfer
from buildr.guest.loading import MAIN
from buildr.plan.guest_files import guest_files
from buildr.runners.pipes import Pipes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPT = """\
import os, subprocess, sys
from buildr import Containerize

count = 0

@Containerize
def counted():
    global count
    count += 1
    return count

@Containerize
def spoken(text):
    print(text)
    print(text, file=sys.stderr)
    subprocess.run(["sh", "-c", "echo a child"], check=True)

@Containerize
def left(status):
    sys.exit(status)

@Containerize
def forked():
    if os.fork():
        os.wait()
        return "parent"
    return "child"

@Containerize
def filled(path):
    try:
        with open(path, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 65536)
    except BrokenPipeError:
        return "refused"

@Containerize
def used():
    return [len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), open("/proc/self/statm").read().split()[1]]

@Containerize
def read():
    return sys.stdin.read()

@Containerize
def same(x):
    return x
"""
LIMIT = 1 << 20


class Worker:
    """A worker process; this test acts as the host."""

    def __init__(self, root: Path, pipes: Pipes) -> None:
        for name, data in guest_files():
            path = root / "guest" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self._script = root / "tool.py"
        self._script.write_text(SCRIPT)
        self._pipes = pipes
        mount = pipes.into(ContainerSpec(image="i")).mounts[-1]
        self.answers = os.path.join(mount.source, frames.ANSWERS)
        self.ended, end = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(root / "guest/buildr/guest/call.py"), mount.source],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(root / "guest"),
                "BUILDR_IN_CONTAINER": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[end],  # which it holds until it ends
        )
        os.close(end)

    def call(self, function: str, *args: Any) -> tuple[bytes, Any]:
        """Call a function; return the kind of the answer, and what it says; ``None`` for one that never came."""
        head = {
            "module": MAIN,
            "path": str(self._script),
            "spec": "",
            "function": function,
            "pickled": False,
            "limit": LIMIT,
        }
        request = transfer.message(head, json.dumps([args, {}]).encode())
        found = self._pipes.exchange((request,), 2 * LIMIT, self.ended)
        if found is None:
            return b"", None
        parsed = transfer.parse(found[1])
        assert parsed is not None
        return found[0], json.loads(bytes(parsed[1]))

    def end(self) -> int:
        """End its calls; return its exit status."""
        self._pipes.end()
        return self.process.wait()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with Pipes() as pipes:
        found = Worker(tmp_path, pipes)
        try:
            yield found
        finally:
            found.process.kill()
            found.process.communicate()
            os.close(found.ended)


def test_a_worker_answers_calls_and_keeps_module_state(
    worker: Worker,
) -> None:
    assert [worker.call("counted") for _ in range(3)] == [(frames.ANSWER, n) for n in (1, 2, 3)]
    assert worker.call("read") == (frames.ANSWER, "")
    assert worker.end() == 0


def test_output_of_a_function_is_written_before_its_answer(
    worker: Worker, capfd: pytest.CaptureFixture[str]
) -> None:
    worker.call("spoken", "hello")
    worker._pipes.show()
    assert capfd.readouterr() == ("hello\na child\n", "hello\n")
    worker.call("spoken", "x" * 500_000)
    worker._pipes.show()
    assert len(capfd.readouterr().out) > 500_000


def test_sys_exit_ends_a_worker_and_an_exception_does_not(worker: Worker) -> None:
    assert worker.call("same")[0] == frames.ANSWER  # a TypeError
    kind, report = worker.call("left", 3)
    assert (kind, report["builtin"], report["arguments"]) == (frames.LAST, "SystemExit", [3])
    assert worker.process.wait() == 1


def test_a_missing_function_ends_a_worker(worker: Worker) -> None:
    kind, (what, _) = worker.call("nothing")
    assert kind == frames.LAST
    assert what.startswith("there is no nothing in ")


def test_a_child_that_a_function_forked_takes_no_calls(worker: Worker) -> None:
    assert worker.call("forked") == (frames.ANSWER, "parent")
    assert worker.call("forked") == (frames.ANSWER, "parent")


def test_an_unread_answer_is_one_line_without_a_traceback(
    worker: Worker, capfd: pytest.CaptureFixture[str]
) -> None:
    assert worker.call("filled", worker.answers) == (b"", None)
    assert worker.process.wait() == 1
    worker._pipes.show()
    assert capfd.readouterr() == (
        "",
        "buildr: the answer to a call cannot be written: Broken pipe\n",
    )


def test_an_interrupt_ends_an_idle_worker_without_a_traceback(worker: Worker) -> None:
    worker.call("counted")
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait() == 130
    assert worker.process.communicate() == (b"", b"")
    worker._pipes.show()


def test_many_calls_leave_nothing_behind(worker: Worker) -> None:
    before = [worker.call("used")[1] for _ in range(20)][-1]
    for number in range(1000):
        assert worker.call("same", [number, "x" * 10_000])[0] == frames.ANSWER
    files, threads, pages = worker.call("used")[1]
    assert [files, threads] == before[:2]
    assert int(pages) - int(before[2]) < 500  # of 4 KiB each; the arguments were 10 MB
