"""The run loop: from a created container to a removed one, with the streams and the status of its guest."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from buildr.engines.container_spec import ContainerSpec
from buildr.errors import (
    BackendError,
    BuildrError,
    CommandNotFoundError,
    ContainerError,
    EngineError,
    EngineLostError,
    EngineUnavailableError,
)
from buildr.host.signals import Signals, Terminated
from buildr.run import control
from buildr.run import loop as run_module
from buildr.run.lifecycle import create, remove
from buildr.run.loop import RunRequest, run
from buildr.run.watchdog import Watchdog
from buildr.testing import FakeBackend, FakeContainer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.engines.records import ContainerState
    from buildr.engines.streams import Attachment, Output
    from buildr.testing import Guest, Operation

NO_GRACE = 0.0
LONG_GRACE = 3600.0


@contextlib.contextmanager
def descriptor(number: int, replacement: int) -> Iterator[None]:
    """Put another file in the place of a standard stream."""
    saved = os.dup(number)
    os.dup2(replacement, number)
    try:
        yield
    finally:
        os.dup2(saved, number)
        os.close(saved)


@pytest.fixture(autouse=True)
def empty_input() -> Iterator[None]:
    with open(os.devnull, "rb") as nothing, descriptor(0, nothing.fileno()):
        yield


def go(
    guest: Guest | FakeBackend,
    *,
    signals: Signals | None = None,
    grace_seconds: float = LONG_GRACE,
    on_start: Callable[[str], None] | None = None,
) -> tuple[FakeBackend, int]:
    backend = guest if isinstance(guest, FakeBackend) else FakeBackend(guest)
    spec = ContainerSpec(image=backend.add_image("base").id, grace_seconds=grace_seconds)
    return backend, run(backend, spec, signals or Signals(), RunRequest(on_start=on_start))


def nothing(_container: FakeContainer) -> int:
    return 0


def until_killed(container: FakeContainer) -> int:
    container.signals.ignore(signal.SIGINT)
    return container.signals.wait()


# The life of a container ------------------------------------------------------------------------------


def test_a_container_is_attached_before_it_starts_and_removed_at_the_end() -> None:
    backend, _ = go(nothing)
    assert backend.operations == ["create", "attach", "start", "wait", "logs", "remove"]


def test_anonymous_volumes_are_removed_with_the_container() -> None:
    backend, _ = go(nothing)
    assert backend.runs[0].volumes_removed


@pytest.mark.parametrize("status", [0, 1, 3, 125, 255])
def test_the_status_of_the_guest_is_the_result(status: int) -> None:
    assert go(lambda _container: status)[1] == status


def test_death_by_a_signal_is_128_plus_its_number() -> None:
    def guest(container: FakeContainer) -> int:
        container.signals.send(signal.SIGKILL)
        return 0

    assert go(guest)[1] == 128 + signal.SIGKILL


@pytest.mark.parametrize("operation", ["attach", "start", "wait"])
def test_a_container_is_removed_after_any_failure(operation: Operation) -> None:
    backend = FakeBackend()
    backend.fail(operation, EngineError("refused"))
    with pytest.raises(EngineError, match="refused"):
        go(backend)
    assert backend.runs[0].removed


def test_the_reason_of_a_failed_start_is_reported() -> None:
    backend = FakeBackend()
    backend.fail("start", CommandNotFoundError("python is not there"))
    with pytest.raises(CommandNotFoundError):
        go(backend)
    assert backend.runs[0].removed


def test_a_container_that_cannot_be_created_is_not_removed() -> None:
    backend = FakeBackend()
    backend.fail("create", ContainerError("no room"))
    with pytest.raises(ContainerError, match="no room"):
        go(backend)
    assert backend.operations == ["create"]


def test_a_failed_removal_is_reported_and_does_not_change_the_status(
    capfd: pytest.CaptureFixture[str],
) -> None:
    backend = FakeBackend(lambda _container: 3)
    backend.fail("remove", EngineLostError("the engine has gone"))
    _, status = go(backend)
    assert status == 3
    assert capfd.readouterr().err == (
        f"buildr: warning: the container {backend.runs[0].id[:12]} is left behind: the engine has gone\n"
    )


def test_the_start_callback_is_called() -> None:
    seen: list[tuple[str, bool]] = []

    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGUSR1)
        return container.signals.wait()

    backend = FakeBackend(guest)

    def on_start(container: str) -> None:
        seen.append((container, backend.runs[0].started))
        backend.runs[0].signals.send(signal.SIGUSR1)

    go(backend, on_start=on_start)
    assert seen == [(backend.runs[0].id, True)]


# Output -----------------------------------------------------------------------------------------------


def test_output_is_exact_and_its_streams_separate(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    data = bytes(range(256)) * 1000

    def guest(container: FakeContainer) -> None:
        container.stdout.write(data)
        container.stderr.write(data[::-1])
        container.stdout.write(b"no newline at the end")

    go(guest)
    assert capfdbinary.readouterr() == (data + b"no newline at the end", data[::-1])


def test_earlier_output_of_the_script_precedes_the_guest_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def guest(container: FakeContainer) -> None:
        container.stdout.write(b"guest\n")

    read, write = os.pipe()
    with descriptor(1, write), open(1, "w", closefd=False) as buffered:
        monkeypatch.setattr(sys, "stdout", buffered)
        buffered.write("host\n")
        go(guest)
    os.close(write)
    with open(read, "rb") as file:
        assert file.read() == b"host\nguest\n"


def test_a_slow_reader_of_a_non_blocking_descriptor_gets_everything() -> None:
    data = b"x" * 300_000  # more than a pipe holds
    read, write = os.pipe()
    os.set_blocking(write, False)
    received: list[bytes] = []

    def reader() -> None:
        with open(read, "rb") as file:
            received.append(file.read())

    thread = threading.Thread(target=reader)
    thread.start()
    with descriptor(1, write):
        go(lambda container: container.stdout.write(data) and 0)
        os.close(write)
    thread.join()
    assert received == [data]


def test_a_closed_reader_ends_the_run_and_the_container() -> None:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(b"x")
        return container.signals.wait()

    backend = FakeBackend(guest)
    read, write = os.pipe()
    os.close(read)
    with descriptor(1, write), pytest.raises(BrokenPipeError):
        go(backend)
    os.close(write)
    assert backend.runs[0].removed


def test_an_output_error_ends_the_container() -> None:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(b"x")
        return container.signals.wait()

    backend = FakeBackend(guest)
    full = os.open("/dev/full", os.O_WRONLY)
    with descriptor(1, full), pytest.raises(BuildrError, match="No space left on device"):
        go(backend)
    os.close(full)
    assert backend.runs[0].removed


# Cancelling -------------------------------------------------------------------------------------------


def test_a_cancelled_guest_gets_sigint_and_the_run_ends_with_0() -> None:
    signals = Signals()

    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGINT)
        signals.request_cancel()
        assert container.signals.wait() == signal.SIGINT
        container.stdout.write(b"bye")
        return 130

    backend, status = go(guest, signals=signals)
    assert status == 0
    assert backend.runs[0].signals.received == [signal.SIGINT]
    assert backend.runs[0].exit_code == 130


def test_a_cancelled_run_ends_with_0_regardless_of_interrupt_status() -> None:
    signals = Signals()
    signals.interrupt_status = 130

    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGINT)
        signals.request_cancel()
        return container.signals.wait()

    assert go(guest, signals=signals)[1] == 0


def test_after_the_grace_a_cancelled_guest_is_killed_and_the_run_ends_with_0() -> None:
    signals = Signals()

    def guest(container: FakeContainer) -> int:
        container.signals.ignore(signal.SIGINT)
        signals.request_cancel()
        return container.signals.wait()

    backend, status = go(guest, signals=signals, grace_seconds=NO_GRACE)
    assert status == 0
    assert backend.runs[0].signals.received == [signal.SIGINT, signal.SIGKILL]


def test_a_second_cancel_kills_and_the_status_says_so() -> None:
    signals = Signals()

    def guest(container: FakeContainer) -> int:
        container.signals.ignore(signal.SIGINT)
        signals.request_cancel()
        signals.request_cancel()
        return container.signals.wait()

    backend, status = go(guest, signals=signals, grace_seconds=LONG_GRACE)
    assert status == 128 + signal.SIGKILL
    assert backend.runs[0].signals.received == [signal.SIGINT, signal.SIGKILL]


def test_an_interrupt_before_the_start_prevents_it() -> None:
    signals = Signals()

    class Interrupted(FakeBackend):
        def create(self, spec: ContainerSpec) -> str:
            signals.interrupts += 1
            return super().create(spec)

    backend, status = go(Interrupted(), signals=signals)
    assert status == 0
    assert backend.operations == ["create", "attach", "remove"]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2]
)
def test_other_signals_are_forwarded(number: int) -> None:
    signals = Signals()

    def guest(container: FakeContainer) -> int:
        container.signals.catch(number)
        signals.received.put(number)
        return container.signals.wait()

    backend, status = go(guest, signals=signals)
    assert status == number
    assert backend.runs[0].signals.received == [number]


def test_a_signal_waits_until_the_first_process_has_started_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before that it would be dropped."""
    monkeypatch.setattr(control, "_START_PAUSE_SECONDS", 0)
    signals = Signals()

    class Starting(FakeBackend):
        counts: ClassVar = [2, 1, 1]

        def processes(self, container: str) -> int:
            super().processes(container)
            return self.counts.pop()

    def guest(container: FakeContainer) -> int:
        signals.received.put(signal.SIGUSR1)
        container.signals.catch(signal.SIGUSR1)
        assert container.signals.wait() == signal.SIGUSR1
        signals.received.put(signal.SIGTERM)
        return container.signals.wait()

    backend, status = go(Starting(guest), signals=signals)
    assert status == 128 + signal.SIGTERM
    sent = [name for name in backend.operations if name in ("processes", "kill")]
    assert sent == ["processes"] * 3 + ["kill", "kill"]


def test_a_container_without_known_processes_has_not_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control, "_START_PAUSE_SECONDS", 0)
    signals = Signals()

    class Starting(FakeBackend):
        counts: ClassVar = [2, 1, 0]

        def processes(self, container: str) -> int:
            super().processes(container)
            return self.counts.pop()

    def guest(container: FakeContainer) -> int:
        signals.received.put(signal.SIGTERM)
        return container.signals.wait()

    assert go(Starting(guest), signals=signals)[1] == 128 + signal.SIGTERM
    assert Starting.counts == []


def test_a_guest_with_output_has_started() -> None:
    signals = Signals()

    def guest(container: FakeContainer) -> int:
        container.stdout.write(b"ready")
        return container.signals.wait()

    heard, write = os.pipe()

    def send() -> None:
        os.read(heard, 5)
        signals.received.put(signal.SIGTERM)

    thread = threading.Thread(target=send)
    thread.start()
    with descriptor(1, write):
        backend, status = go(guest, signals=signals)
    thread.join()
    assert status == 128 + signal.SIGTERM
    assert "processes" not in backend.operations


def test_without_a_terminal_a_change_of_size_is_not_passed_on() -> None:
    signals = Signals()

    def guest(container: FakeContainer) -> int:
        signals.received.put(signal.SIGWINCH)
        signals.received.put(signal.SIGTERM)
        return container.signals.wait()

    backend, _ = go(guest, signals=signals)
    assert "resize" not in backend.operations


# An engine that goes away -----------------------------------------------------------------------------


class KnowsTheEnd(FakeBackend):
    """An engine that has lost the streams, and tells the guest's end once it is there."""

    def state(self, container: str) -> ContainerState | None:
        self.runs[0].wait()
        return super().state(container)


def test_after_lost_streams_the_status_comes_from_the_engine(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(b"partial\n")
        container.cut()
        return 7

    backend, status = go(KnowsTheEnd(guest))
    assert status == 7
    assert capfd.readouterr().out == "partial\n"
    assert backend.runs[0].removed


def cut_and_wait(container: FakeContainer) -> int:
    container.cut("the connection was reset")
    return container.signals.wait()


@pytest.mark.parametrize("operation", ["state", "wait"])
def test_a_returning_engine_still_has_the_status(
    operation: Operation, capfd: pytest.CaptureFixture[str]
) -> None:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(b"all of it")
        if operation == "state":
            container.cut()
        return 7

    backend = KnowsTheEnd(guest)
    backend.fail(operation, EngineUnavailableError("it is just starting"), times=2)
    if operation == "wait":
        backend.fail("wait", EngineLostError("the connection broke"), times=None)
    assert go(backend)[1] == 7
    assert capfd.readouterr() == ("all of it", "")


def test_missing_output_of_broken_streams_is_read_from_the_logs(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    def guest(container: FakeContainer) -> None:
        container.stdout.write(b"one\n")
        container.stderr.write(b"two\n")
        container.cut()
        container.stdout.write(b"\x00\xff three")
        container.stderr.write(b"four")

    class Late(KnowsTheEnd):
        """An engine whose streams break before what was written last is read."""

        def attach(self, container: str, *, tty: bool) -> Attachment:
            return Short(super().attach(container, tty=tty))

    assert go(Late(guest))[1] == 0
    assert capfdbinary.readouterr() == (b"one\n\x00\xff three", b"two\nfour")


class Short:
    """Streams of which the last pieces do not come."""

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._left = 2

    def __getattr__(self, name: str) -> Any:
        return getattr(self._attachment, name)

    def read(self) -> Output:
        while self._left:
            pieces = self._attachment.read()[: self._left]
            self._left -= len(pieces)
            return pieces
        raise EngineLostError("the container's output broke off")


def cut_short(container: FakeContainer) -> int:
    container.stdout.write(b"begin")
    container.cut("the connection was reset")
    return int(container.spec.environment["STATUS"])


@pytest.mark.parametrize("status", ["0", "3"])
@pytest.mark.parametrize("lost", [b"", b"bad \xef\xbf\xbd byte"])
def test_lost_output_never_ends_with_0(
    status: str, lost: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    class Forgetful(KnowsTheEnd):
        def logs(self, container: str, **given: Any) -> Attachment:
            self.runs[0]._plumbing.output[:] = [(1, lost)] if lost else []
            return super().logs(container, **given)

    backend = Forgetful(cut_short)
    image = backend.add_image("base").id
    spec = ContainerSpec(image=image, environment={"STATUS": status})
    if status == "3":
        assert run(backend, spec, Signals()) == 3
        assert "warning: the end of the container's output was lost" in capfd.readouterr().err
    else:
        with pytest.raises(EngineLostError, match=r"output was lost: .* was reset") as error:
            run(backend, spec, Signals())
        assert "ended with status 0" in error.value.hint


def test_a_guest_whose_streams_never_end_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_SILENT_SECONDS", 0.0)
    monkeypatch.setattr(control, "_STALLED_SECONDS", 0.0)

    class Stalled(FakeBackend):
        def attach(self, container: str, *, tty: bool) -> Attachment:
            return Endless(super().attach(container, tty=tty))

    assert go(Stalled(lambda _container: 7))[1] == 7


class Endless:
    """Streams that bring nothing and do not end until they are closed."""

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._closed = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._attachment, name)

    def read(self) -> Output:
        assert self._closed.wait(60)
        return ()

    def close(self) -> None:
        self._closed.set()
        self._attachment.close()


class Keeper(Watchdog):
    """A watchdog that records its calls."""

    def __init__(self) -> None:
        super().__init__("", "", "", 0)
        self.reported: list[str] = []

    def asked(self) -> None:
        self.reported.append("asked")

    def created(self) -> None:
        self.reported.append("created")

    def refused(self) -> None:
        self.reported.append("refused")

    def removed(self) -> None:
        self.reported.append("removed")

    def take_over(self, *, at_once: bool = False) -> bool:
        self.reported.append("take over at once" if at_once else "take over")
        return True


@pytest.mark.parametrize(
    ("operation", "error", "reported"),
    [
        ("create", EngineLostError("it broke"), ["asked", "take over"]),
        ("create", EngineUnavailableError("no answer"), ["asked", "take over"]),
        ("create", EngineError("no such thing"), ["asked", "refused"]),
        ("remove", EngineLostError("it broke"), ["asked", "created", "take over"]),
        ("start", EngineLostError("it broke"), ["asked", "created", "removed"]),
    ],
)
def test_the_watchdog_finishes_what_this_process_cannot(
    operation: Operation, error: BackendError, reported: list[str]
) -> None:
    backend = FakeBackend()
    backend.fail(operation, error)
    keeper = Keeper()
    spec = ContainerSpec(image=backend.add_image("base").id)
    with contextlib.suppress(BackendError):
        run(backend, spec, Signals(), watchdog=keeper)
    assert keeper.reported == reported


@pytest.mark.parametrize(
    ("use", "reported"),
    [
        (create, ["asked", "take over"]),
        (lambda backend, _, keeper: remove(backend, "c", keeper), ["take over"]),
    ],
    ids=["create", "remove"],
)
def test_the_watchdog_finishes_what_a_signal_interrupts(
    monkeypatch: pytest.MonkeyPatch, use: Any, reported: list[str]
) -> None:
    def come(*_: object, **__: object) -> None:
        raise Terminated(signal.SIGTERM)

    backend = FakeBackend()
    for operation in ("create", "remove"):
        monkeypatch.setattr(backend, operation, come)
    keeper = Keeper()
    with pytest.raises(Terminated):
        use(backend, ContainerSpec(image="image"), keeper)
    assert keeper.reported == reported


class Forced(FakeBackend):
    """Where the user asks for the third time while the guest is started."""

    def __init__(self, *, raises: bool = True) -> None:
        super().__init__()
        self.signals = Signals()
        self._raises = raises

    def start(self, container: str) -> None:
        super().start(container)
        self.signals.interrupts = 3
        if self._raises:
            raise KeyboardInterrupt


@pytest.mark.parametrize("raises", [True, False], ids=["raised", "swallowed"])
def test_after_a_third_interrupt_the_watchdog_removes_the_container(
    raises: bool,
) -> None:
    backend, keeper = Forced(raises=raises), Keeper()
    spec = ContainerSpec(image=backend.add_image("base").id)
    with pytest.raises(KeyboardInterrupt) if raises else contextlib.nullcontext():
        run(backend, spec, backend.signals, watchdog=keeper)
    assert "remove" not in backend.operations
    assert keeper.reported[-1] == "take over at once"


def test_after_a_third_interrupt_without_a_watchdog_the_container_is_removed_here() -> None:
    backend = Forced()
    with pytest.raises(KeyboardInterrupt):
        go(backend, signals=backend.signals)
    assert backend.operations[-1] == "remove"


def test_a_lost_running_guest_is_stopped_without_an_invented_status() -> None:
    backend = FakeBackend(cut_and_wait)
    with pytest.raises(EngineLostError, match="the connection was reset") as lost:
        go(backend)
    assert "was stopped" in lost.value.hint
    assert backend.runs[0].removed
    assert backend.runs[0].exit_code == 128 + signal.SIGKILL


def test_a_lost_engine_is_reported_as_the_reason(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_BACK_SECONDS", 0.0)
    backend = FakeBackend(cut_and_wait)
    for operation in ("state", "remove"):
        backend.fail(operation, EngineLostError("nobody answers"), times=None)
    with pytest.raises(EngineLostError, match="the connection was reset") as lost:
        go(backend)
    assert "doctor" in lost.value.hint
    assert "left behind" in capfd.readouterr().err


def test_a_silent_engine_that_does_not_answer_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_SILENT_SECONDS", 0.0)
    monkeypatch.setattr(run_module, "_BACK_SECONDS", 0.0)
    backend = FakeBackend(until_killed)
    backend.fail("ping", EngineLostError("no answer within 10 s"), times=None)
    for operation in ("state", "wait"):
        backend.fail(operation, EngineLostError("no answer"), times=None)
    with pytest.raises(EngineLostError, match="no answer within 10 s"):
        go(backend)
    assert "wait" not in backend.operations


def test_a_silent_guest_is_awaited_while_its_engine_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control, "_SILENT_SECONDS", 0.0)
    pinged = threading.Event()

    class Answering(FakeBackend):
        def ping(self) -> None:
            super().ping()
            pinged.set()

    def guest(_container: FakeContainer) -> int:
        assert pinged.wait(60)
        return 5

    assert go(Answering(guest))[1] == 5


def test_a_failed_signal_means_a_lost_engine() -> None:
    signals = Signals()

    def guest(container: FakeContainer) -> int:
        signals.received.put(signal.SIGTERM)
        return container.signals.wait()

    backend = FakeBackend(guest)
    backend.fail("kill", EngineLostError("the engine went away"))
    with pytest.raises(BackendError, match="the engine went away"):
        go(backend, signals=signals)
    assert backend.runs[0].removed
