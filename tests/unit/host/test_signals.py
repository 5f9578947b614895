"""Signals of the host process: before, while and after a guest runs."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildr.host.signals import FORWARDED, Signals, Terminated, block_signals
from tests.unit.processes import SECONDS, app, end, line, python, running

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

HANDLED = (*FORWARDED, signal.SIGINT, signal.SIGWINCH, signal.SIGTSTP)
INSTALLED = (*HANDLED, signal.SIGCONT)

READY = """\
container.stdout.write(b"ready\\n")
"""
WAITING = f"""\
container.signals.catch(*range(1, 9), *range(10, 16))
{READY}
number = container.signals.wait()
container.stdout.write(b"got %d\\n" % number)
return number
"""


@contextlib.contextmanager
def ready(directory: Path, code: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script until its guest, or whatever else says so, is ready."""
    (directory / "app.py").write_text(code)
    with running("app.py", cwd=directory, **options) as process:
        assert line(process) == b"ready\n"
        yield process


@pytest.fixture(autouse=True)
def handlers_stay() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in INSTALLED}
    yield
    assert {number: signal.getsignal(number) for number in INSTALLED} == before


# Handlers ---------------------------------------------------------------------------------------------


def test_previous_handlers_are_restored() -> None:
    def own(_number: int, _frame: object) -> None:
        pass

    before = signal.signal(signal.SIGUSR1, own)
    try:
        with Signals():
            assert signal.getsignal(signal.SIGUSR1) != own
        assert signal.getsignal(signal.SIGUSR1) == own
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_previous_handlers_are_restored_after_an_error() -> None:
    with pytest.raises(ValueError, match="broken"), Signals():
        raise ValueError("broken")
    # handlers_stay looks


@pytest.mark.parametrize("number", HANDLED)
def test_an_ignored_signal_stays_ignored(number: int) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Signals() as signals:
            assert signal.getsignal(number) == signal.SIG_IGN
            signal.raise_signal(number)
            assert signals.received.empty()
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_off_the_main_thread_nothing_is_installed() -> None:
    seen: list[bool] = []
    before = [signal.getsignal(number) for number in HANDLED]

    def work() -> None:
        with Signals():
            seen.append([signal.getsignal(number) for number in HANDLED] == before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]


# Before there is a container --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_termination_before_a_container_exists_is_immediate(number: int) -> None:
    with pytest.raises(Terminated) as ended, Signals() as signals, signals.raising():
        signal.raise_signal(number)
    assert ended.value.exit_code == 128 + number


def test_an_interrupt_before_a_container_exists_is_immediate() -> None:
    signals = Signals()
    with pytest.raises(KeyboardInterrupt), signals, signals.raising():
        signal.raise_signal(signal.SIGINT)
    assert signals.interrupts == 1


def test_a_second_signal_does_not_interrupt_the_unwinding() -> None:
    unwound: list[bool] = []

    def unwind() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        unwound.append(True)

    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.raises(KeyboardInterrupt))
        signals = stack.enter_context(Signals())
        stack.enter_context(signals.raising())
        stack.callback(unwind)
        signal.raise_signal(signal.SIGINT)
    assert unwound
    assert signals.interrupts == 2


def test_an_early_signal_takes_effect_at_the_start() -> None:
    begun: list[bool] = []
    with Signals() as signals:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Terminated), signals.raising():
            begun.append(True)
    assert not begun


class Destroyed:
    """Something that is just destroyed when a signal comes: Python raises no exception there."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __del__(self) -> None:
        signal.raise_signal(self._number)


@pytest.mark.parametrize(
    ("number", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 3)]
)
def test_an_exception_that_python_drops_is_raised_afterwards(
    number: int, times: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def destroy(signals: Signals) -> None:
        if times == 3:
            signals.collect()
        for _ in range(times):
            Destroyed(number)
        threading.Event().wait(SECONDS)
        pytest.fail("the signal is lost")

    with pytest.raises((KeyboardInterrupt, Terminated)), Signals() as signals, signals.raising():
        destroy(signals)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGWINCH, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_for_the_guest_are_dropped_before_it_exists(number: int) -> None:
    with Signals() as signals:
        signal.raise_signal(number)
        assert signals.received.empty()


# While a container exists -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", HANDLED)
def test_once_a_container_exists_signals_are_collected(number: int) -> None:
    with Signals() as signals:
        signals.collect()
        signal.raise_signal(number)
        assert signals.received.get_nowait() == number


def test_several_pending_stops_are_one_stop() -> None:
    with Signals() as signals:
        signals.collect()
        for _ in range(5):
            signal.raise_signal(signal.SIGTSTP)
        assert signals.take_stop()
        assert not signals.take_stop()


@pytest.mark.parametrize("later", [True, False], ids=["later", "at the same time"])
def test_a_stop_followed_by_sigcont_is_ignored(later: bool) -> None:
    both = {signal.SIGTSTP, signal.SIGCONT}
    with Signals() as signals:
        signals.collect()
        if not later:  # then their handlers run in the order of their numbers
            signal.pthread_sigmask(signal.SIG_BLOCK, both)
        signal.raise_signal(signal.SIGTSTP)
        signal.raise_signal(signal.SIGCONT)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
        assert not signals.take_stop()
        signal.raise_signal(signal.SIGTSTP)
        assert signals.take_stop()


def test_a_third_interrupt_aborts_even_a_clean_end() -> None:
    signals = Signals()
    with signals, signals.raising():
        signals.collect()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signals.forced
        signal.raise_signal(signal.SIGINT)  # and one more does not break off what ends already


def test_a_cancel_counts_as_an_interrupt_of_the_guest() -> None:
    signals = Signals()
    signals.request_cancel()
    assert signals.received.get_nowait() == signal.SIGINT


# The main thread waits in a system call ---------------------------------------------------------------


@contextlib.contextmanager
def bystander() -> Iterator[int]:
    """Give a thread that takes signals, as one of the user's does: what it takes interrupts no system call of the main thread's."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    assert thread.ident is not None
    try:
        yield thread.ident
    finally:
        end.set()
        thread.join()


@contextlib.contextmanager
def ending_signals() -> Iterator[None]:
    with Signals() as signals, signals.raising():
        yield


@contextlib.contextmanager
def waiting(number: int) -> Iterator[None]:
    """Read from a pipe in which nothing comes; once the kernel waits there, a bystander gets a signal."""
    reader, writer = os.pipe()
    call = Path(f"/proc/self/task/{threading.get_native_id()}/syscall")
    over = threading.Event()
    late: list[bool] = []

    def send(thread: int) -> None:
        while call.read_text().split()[1:2] != [hex(reader)]:
            pass
        signal.pthread_kill(thread, number)
        late.append(not over.wait(SECONDS))
        os.write(writer, b"ended")

    with bystander() as thread:
        sender = threading.Thread(target=send, args=(thread,))
        sender.start()
        try:
            yield
            os.read(reader, 1)
        finally:
            over.set()
            sender.join()
            os.close(reader)
            os.close(writer)
            assert late == [False], "nothing has interrupted the read"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_interrupts_no_system_call_is_noticed(number: int) -> None:
    with pytest.raises((Terminated, KeyboardInterrupt)), ending_signals(), waiting(number):
        pass


def test_another_wakeup_descriptor_is_notified_too() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    try:
        with Signals():
            signal.raise_signal(signal.SIGUSR1)
            assert signal.SIGUSR1 in os.read(reader, 1)
        assert signal.set_wakeup_fd(writer) == writer
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


def test_helper_threads_leave_signals_to_the_main_thread() -> None:
    seen: set[signal.Signals | int] = set()

    def work() -> None:
        block_signals()
        seen.update(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert set(HANDLED) <= seen


# Whole processes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", FORWARDED)
def test_a_signal_to_the_script_reaches_its_guest(tmp_path: Path, number: int) -> None:
    with ready(tmp_path, app(WAITING)) as process:
        process.send_signal(number)
        done = end(process)
    assert (done.returncode, done.stdout) == (number, b"got %d\n" % number)


@pytest.mark.parametrize("number", FORWARDED)
def test_a_signal_that_ends_the_guest_ends_the_script_with_128_more(
    tmp_path: Path, number: int
) -> None:
    with ready(tmp_path, app(READY + "return container.signals.wait()")) as process:
        process.send_signal(number)
        assert end(process).returncode == 128 + number


def test_ctrl_c_lets_the_guest_end_and_the_status_is_0(tmp_path: Path) -> None:
    with ready(tmp_path, app(WAITING)) as process:
        process.send_signal(signal.SIGINT)
        done = end(process)
    assert (done.returncode, done.stdout) == (0, b"got 2\n")
    assert b"Traceback" not in done.stderr


BUILDING = """\
class Slow(FakeBackend):
    def build(self, request, on_event):
        sys.stdout.write("ready\\n")
        sys.stdout.flush()
        threading.Event().wait()

backend = Slow(guest)
"""
# The first interrupt, from inside: what comes first is imported.
EARLY = """\
class Early:
    def find_spec(self, name, path, target=None):
        if name == "buildr.runners.plan" and not self.seen:
            self.seen = True
            sys.stdout.write("ready\\n")
            sys.stdout.flush()
            os.read(0, 1)
    seen = False

sys.meta_path.insert(0, Early())
"""
OBEDIENT = f"""\
container.signals.catch(signal.SIGINT)
{READY}
container.signals.wait()
return 3
"""


@pytest.mark.parametrize(
    "code",
    [
        app(faults=BUILDING),
        app(OBEDIENT),
        app("container.signals.wait()", setup="import os", faults=EARLY),
    ],
    ids=["while an image is built", "while a guest runs", "while modules are imported"],
)
def test_a_storm_of_interrupts_ends_the_script_without_a_traceback(
    tmp_path: Path, code: str
) -> None:
    for _ in range(5):
        # Signals that come while coverage itself starts or saves its data meet its code, and not Buildr's.
        with ready(tmp_path, code, measured=False) as process:
            assert process.stdin is not None
            process.send_signal(signal.SIGINT)
            process.stdin.write(b"x")
            process.stdin.flush()
            while process.poll() is None:
                process.send_signal(signal.SIGINT)
            done = end(process)
        assert b"Traceback" not in done.stderr
        assert b"xception ignored" not in done.stderr
        assert done.returncode in {0, 3, 128 + signal.SIGINT, 128 + signal.SIGKILL}


def test_an_interrupt_while_modules_are_imported_cancels(tmp_path: Path) -> None:
    code = app("container.signals.wait()", setup="import os", faults=EARLY)
    with ready(tmp_path, code) as process:
        assert process.stdin is not None
        process.send_signal(signal.SIGINT)
        process.stdin.write(b"x")
        process.stdin.flush()
        done = end(process)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, b"buildr: cancelled")


UNWINDING = """\
class Slow(FakeBackend):
    def build(self, request, on_event):
        try:
            self.say("ready")
        finally:
            self.say("unwinding")

    def say(self, word):
        sys.stdout.write(f"{word}\\n")
        sys.stdout.flush()
        threading.Event().wait()

backend = Slow(guest)
"""


def test_a_third_interrupt_ends_a_process_that_does_not_unwind(tmp_path: Path) -> None:
    with ready(tmp_path, app(faults=UNWINDING)) as process:
        process.send_signal(signal.SIGINT)
        assert line(process) == b"unwinding\n"
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
        done = end(process)
    assert (done.returncode, done.stdout) == (128 + signal.SIGINT, b"")
    assert b"Traceback" not in done.stderr


LEAVING = """\
import signal, sys, threading
try:
    main()
finally:
    sys.stdout.write("leaving\\n")
    sys.stdout.flush()
    threading.Event().wait()
"""


def test_an_interrupted_program_ends_with_its_own_status(
    tmp_path: Path,
) -> None:
    with ready(tmp_path, app(OBEDIENT, call=LEAVING)) as process:
        process.send_signal(signal.SIGINT)
        assert line(process) == b"leaving\n"
        process.send_signal(signal.SIGINT)
        done = end(process)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


CATCHING = """\
try:
    main()
except SystemExit:
    pass
sys.stdout.write("going on\\n")
sys.stdout.flush()
threading.Event().wait()
"""


def test_a_program_that_continues_after_an_interrupt_can_be_interrupted_again(
    tmp_path: Path,
) -> None:
    with ready(tmp_path, app(OBEDIENT, call=CATCHING)) as process:
        process.send_signal(signal.SIGINT)
        assert line(process) == b"going on\n"
        process.send_signal(signal.SIGINT)
        done = end(process)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.endswith(b"\nKeyboardInterrupt\n")


STUBBORN = f"container.signals.ignore(signal.SIGINT)\n{READY}container.signals.wait()"


def test_after_the_grace_ctrl_c_kills_the_guest(tmp_path: Path) -> None:
    with ready(tmp_path, app(STUBBORN, options='runtime={"grace_seconds": 0}')) as process:
        process.send_signal(signal.SIGINT)
        assert end(process).returncode == 0


def test_a_second_ctrl_c_kills_the_guest(tmp_path: Path) -> None:
    guest = f"""\
container.signals.catch(signal.SIGINT)
{READY}
container.signals.wait()
container.stdout.write(b"once\\n")
container.signals.wait()
"""
    with ready(tmp_path, app(guest, options='runtime={"grace_seconds": 3600}')) as process:
        process.send_signal(signal.SIGINT)
        assert line(process) == b"once\n"
        process.send_signal(signal.SIGINT)
        assert end(process).returncode == 128 + signal.SIGKILL


def test_ctrl_c_during_a_build_cancels_it(tmp_path: Path) -> None:
    with ready(tmp_path, app(faults=BUILDING)) as process:
        process.send_signal(signal.SIGINT)
        done = end(process)
    assert done.returncode == 0
    assert done.stderr.endswith(b"buildr: cancelled\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_during_a_build_ends_it(tmp_path: Path, number: int) -> None:
    with ready(tmp_path, app(faults=BUILDING)) as process:
        process.send_signal(number)
        done = end(process)
    assert done.returncode == 128 + number
    assert b"Traceback" not in done.stderr


def test_under_nohup_a_hangup_is_ignored(tmp_path: Path) -> None:
    with ready(
        tmp_path,
        app(WAITING),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    ) as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert end(process).stdout == b"got 15\n"


def test_a_script_off_the_main_thread_leaves_signals_as_they_are(tmp_path: Path) -> None:
    call = "thread = threading.Thread(target=main)\nthread.start()\nthread.join()"
    with ready(tmp_path, app(WAITING, call=call)) as process:
        process.send_signal(signal.SIGTERM)
        assert end(process).returncode == -signal.SIGTERM


def test_cancel_from_another_thread_acts_like_ctrl_c(tmp_path: Path) -> None:
    guest = """\
container.signals.catch(signal.SIGINT)
threading.Thread(target=main.cancel).start()
container.stdout.write(b"got %d\\n" % container.signals.wait())
return 130
"""
    (tmp_path / "app.py").write_text(app(guest))
    done = python("app.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"got 2\n")


def test_cancel_without_a_container_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app(call="main.cancel()"))
    done = python("app.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_closed_reader_ends_the_script_silently_by_sigpipe(tmp_path: Path) -> None:
    guest = f"""\
container.signals.catch(signal.SIGUSR1)
{READY}
container.signals.wait()
container.stdout.write(b"more\\n")
"""
    with ready(tmp_path, app(guest)) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.send_signal(signal.SIGUSR1)
        assert process.stderr is not None
        stderr = process.stderr.read()
        assert process.wait(SECONDS) == -signal.SIGPIPE
        assert b"Traceback" not in stderr
