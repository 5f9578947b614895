"""The first process of a container, run here as an ordinary process."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildr.guest import init
from tests.unit.processes import SECONDS, OnTerminal, line, python, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INIT = init.__file__
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def under_init(
    directory: Path, *command: str, **options: object
) -> subprocess.CompletedProcess[bytes]:
    return python("-IS", INIT, *command, cwd=directory, **options)  # type: ignore[arg-type] # options of Popen


def code(*lines: str) -> tuple[str, str, str]:
    """Return a command that runs these lines."""
    return sys.executable, "-c", "\n".join(("import os, signal, sys, time", *lines))


# Status -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("pass", 0),
        ("sys.exit(1)", 1),
        ("sys.exit(3)", 3),
        ("sys.exit(255)", 255),
        ("sys.exit('text')", 1),
        ("raise ValueError", 1),
        ("os._exit(42)", 42),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143),
        ("os.kill(os.getpid(), signal.SIGUSR1)", 138),
        ("os.abort()", 134),
    ],
)
def test_the_first_process_ends_like_its_command(tmp_path: Path, last: str, status: int) -> None:
    assert under_init(tmp_path, *code(last)).returncode == status


def test_a_missing_command_is_127(tmp_path: Path) -> None:
    done = under_init(tmp_path, "no-such-command", "argument")
    assert done.returncode == 127
    assert done.stderr == b"buildr: cannot run no-such-command: No such file or directory\n"


@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_a_command_that_is_not_executable_is_126(tmp_path: Path, mode: int) -> None:
    (tmp_path / "app").write_bytes(b"neither a program nor a script")
    (tmp_path / "app").chmod(mode)
    done = under_init(tmp_path, "./app")
    assert done.returncode == 126
    assert done.stderr.startswith(b"buildr: cannot run ./app: ")


def test_a_command_is_required(tmp_path: Path) -> None:
    done = under_init(tmp_path)
    assert (done.returncode, done.stderr) == (127, b"buildr: there is no command to run\n")


# What the command gets --------------------------------------------------------------------------------


def test_arguments_environment_and_streams_are_passed_through(tmp_path: Path) -> None:
    command = code("print(sys.argv[1:], os.environ['A'], sys.stdin.read())")
    done = under_init(tmp_path, *command, "-x", "a b", "", stdin=b"input", env={"A": "1"})
    assert done.stdout == b"['-x', 'a b', ''] 1 input\n"


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGXFSZ])
def test_signals_ignored_by_python_are_not_ignored_in_the_command(
    tmp_path: Path, number: int
) -> None:
    (tmp_path / "show").write_text("#!/bin/sh\nexec grep SigIgn /proc/self/status\n")
    (tmp_path / "show").chmod(0o755)
    ignored = int(under_init(tmp_path, "./show").stdout.split()[1], 16)
    assert not ignored >> (number - 1) & 1


def test_an_interrupt_just_before_the_command_ends_it_silently() -> None:
    code = (
        "import os, signal; from buildr.guest import init\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "init._become(['true'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_no_signal_is_blocked_in_the_command(tmp_path: Path) -> None:
    command = code("print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))")
    assert under_init(tmp_path, *command).stdout == b"set()\n"


# Signals ----------------------------------------------------------------------------------------------

CATCH = code(
    "signal.signal(int(sys.argv[1]), lambda number, frame: os._exit(number))",
    "print('ready', flush=True)",
    "while True: signal.pause()",
)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
        signal.SIGALRM,
        signal.SIGRTMIN,
    ],
)
def test_signals_are_forwarded(tmp_path: Path, number: int) -> None:
    with running("-IS", INIT, *CATCH, str(int(number)), cwd=tmp_path) as process:
        assert line(process) == b"ready\n"
        process.send_signal(number)
        assert process.wait(SECONDS) == number


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_command_without_a_handler_dies_of_a_forwarded_signal(
    tmp_path: Path, number: int
) -> None:
    command = ("sh", "-c", "echo ready; exec sleep 1000")
    with running("-IS", INIT, *command, cwd=tmp_path) as process:
        assert line(process) == b"ready\n"
        process.send_signal(number)
        assert process.wait(SECONDS) == 128 + number


def test_a_stopped_command_continues(tmp_path: Path) -> None:
    """A notification about a stopped child does not end the first process."""
    command = code(
        "print(os.getpid(), flush=True)",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "sys.exit(9)",
    )
    with running("-IS", INIT, *command, cwd=tmp_path) as process:
        child = int(line(process))
        until(lambda: b"\nState:\tT" in Path(f"/proc/{child}/status").read_bytes())
        os.kill(child, signal.SIGCONT)
        assert process.wait(SECONDS) == 9


def test_the_first_process_works_with_an_ignored_sigchld(tmp_path: Path) -> None:
    with running(
        "-IS",
        INIT,
        *code("sys.exit(7)"),
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    ) as process:
        assert process.wait(SECONDS) == 7


# Other processes --------------------------------------------------------------------------------------


def until(true: Callable[[], bool]) -> None:
    """Poll a condition, since there is no event."""
    limit = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < limit
        os.sched_yield()


def subreaper() -> None:
    """Become the parent of orphans below this process, as the first process of a container is."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        os._exit(1)


def test_orphans_are_reaped_and_their_status_is_ignored(tmp_path: Path) -> None:
    command = code(
        "if os.fork() == 0:",
        "    if os.fork() == 0:",
        "        print(os.getpid(), flush=True)",
        "        sys.stdin.readline()",
        "        os._exit(55)",
        "    os._exit(0)",
        "os.wait()",
        "print('parent', flush=True)",
        "signal.pause()",
    )
    with running("-IS", INIT, *command, cwd=tmp_path, preexec_fn=subreaper) as process:
        said = {line(process).strip(), line(process).strip()}
        orphan = int((said - {b"parent"}).pop())
        assert parent(orphan) == process.pid
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        until(lambda: not Path(f"/proc/{orphan}").exists())
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 128 + signal.SIGTERM


def parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nPPid:")[2].split()[0])


# Terminals --------------------------------------------------------------------------------------------


def test_on_a_terminal_the_command_is_in_the_foreground(tmp_path: Path) -> None:
    command = code("print(os.tcgetpgrp(0) == os.getpgrp() == os.getpid())")
    with OnTerminal("-IS", INIT, *command, cwd=tmp_path) as terminal:
        terminal.wait_for(b"True")
        assert terminal.end() == 0


def test_the_interrupt_key_reaches_the_command_once(tmp_path: Path) -> None:
    command = code(
        "seen = []",
        "signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))",
        "print('ready', flush=True)",
        "sys.stdin.readline()",
        "print('interrupts', len(seen), flush=True)",
    )
    with OnTerminal("-IS", INIT, *command, cwd=tmp_path) as terminal:
        terminal.wait_for(b"ready")
        terminal.type(b"\x03\n")
        terminal.wait_for(b"interrupts 1")
        assert terminal.end() == 0


def test_a_terminal_of_another_session_is_not_an_error(tmp_path: Path) -> None:
    with OnTerminal("-c", "input()", cwd=tmp_path) as other:
        done = subprocess.run(
            [sys.executable, "-IS", INIT, *code("sys.exit(6)")],
            stdin=other.slave,
            start_new_session=True,
            capture_output=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (6, b"")


SIZE = code("print('size', *os.get_terminal_size(0))")


def test_the_command_starts_once_the_terminal_has_a_size(tmp_path: Path) -> None:
    with OnTerminal("-IS", INIT, *SIZE, cwd=tmp_path, rows=0, columns=0) as terminal:
        until(lambda: waits_for(terminal.process.pid, signal.SIGWINCH))
        terminal.resize(33, 111)
        terminal.wait_for(b"size 111 33")
        assert terminal.end() == 0


def test_the_command_starts_even_if_the_terminal_never_gets_a_size(
    tmp_path: Path,
) -> None:
    with OnTerminal("-IS", INIT, *SIZE, cwd=tmp_path, rows=0, columns=0) as terminal:
        terminal.wait_for(b"size 0 0")
        assert terminal.end() == 0


def waits_for(pid: int, number: int) -> bool:
    """Whether a process that blocks all signals is waiting for this one, which then does not count as blocked."""
    status = Path(f"/proc/{pid}/status").read_text()
    blocked = int(status.partition("\nSigBlk:")[2].split()[0], 16)
    return bool(blocked) and not blocked >> (number - 1) & 1


@pytest.fixture
def unblocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.usefixtures("unblocked")
def test_a_size_set_before_the_wait_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(init, "_SIZE_SECONDS", SECONDS)
    monkeypatch.setattr(os, "get_terminal_size", lambda _fd: os.terminal_size((0, 0)))
    os.kill(os.getpid(), signal.SIGWINCH)
    init._await_size()
    assert signal.SIGWINCH not in signal.sigpending()


# Published ports --------------------------------------------------------------------------------------


def test_the_command_does_not_see_the_ports_and_has_its_status(tmp_path: Path) -> None:
    command = code("sys.stdout.write(str('BUILDR_PUBLISHED_PORTS' in os.environ))", "sys.exit(3)")
    for ports in ("1", "relay,1"):
        done = under_init(tmp_path, *command, env={init.PUBLISHED: ports})
        assert (done.returncode, done.stdout, done.stderr) == (3, b"False", b"")


def test_without_published_ports_there_is_no_process_beside_the_command(tmp_path: Path) -> None:
    command = code("print(open(f'/proc/{os.getppid()}/task/{os.getppid()}/children').read())")
    assert len(under_init(tmp_path, *command).stdout.split()) == 1
    published = under_init(tmp_path, *command, env={init.PUBLISHED: "relay,1"})
    assert len(published.stdout.split()) <= 2
