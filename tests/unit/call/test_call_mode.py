"""Call mode on the host: `Containerized.remote`, its results, errors, ends."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import buildr
from buildr.errors import (
    BuildError,
    CallCancelledError,
    CallTimeoutError,
    ContainerError,
    EngineLostError,
    EntryError,
    ImageNotFoundError,
    OptionError,
    RemoteError,
    TransferError,
)
from buildr.plan.entry import Entry
from buildr.run.watchdog import Watchdog
from buildr.runners import result_file
from buildr.testing import FakeBackend, FakeContainer, call_in, run_script, using
from tests.unit import calls
from tests.unit.processes import python
from tests.unit.running import run_entry

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(result_file, "_PAUSE_SECONDS", 0)
    yield from calls.imported(tmp_path, monkeypatch)


@pytest.fixture
def engine() -> Iterator[FakeBackend]:
    with using(FakeBackend()) as backend:
        yield backend
    assert all(run.removed for run in backend.runs)  # including idle workers
    assert backend.closed or not backend.operations


# Results --------------------------------------------------------------------------------------------------


def test_a_function_runs_with_its_arguments_and_returns_its_result(
    work: Any, engine: FakeBackend, capfd: pytest.CaptureFixture[str]
) -> None:
    assert work.add.remote(1, 3, 4, c=5) == {"sum": 13}
    assert capfd.readouterr().out == "adding\n"
    assert work.add.remote(1) == {"sum": 3}
    assert len(engine.runs) == 1


@pytest.mark.parametrize("call_format", ["json", "pickle"])
@pytest.mark.parametrize("remote", [False, True])
def test_results_return_in_every_way(work: Any, call_format: str, remote: bool) -> None:
    with using(FakeBackend(remote=remote)) as backend:
        give = calls.options(work.give, call_format=call_format)
        assert give.remote({"a": [1, None, "ü"]}) == {"a": [1, None, "ü"]}
        assert ("get_archive" in backend.operations) is remote


def test_the_container_differs_from_that_of_the_script_only_in_its_command(
    work: Any, engine: FakeBackend
) -> None:
    work.give.remote(1)
    entry = Entry(kind="script", script=os.path.abspath("work.py"))
    run_entry(entry)
    call, script = (run.spec for run in engine.runs)
    assert len(engine.builds) == 1
    assert (call.image, call.workdir, call.user) == (script.image, script.workdir, script.user)
    assert call.command[:3] == ("python", "-u", "/usr/local/lib/buildr/buildr/guest/call.py")
    assert not call.tty


def test_parallel_calls_build_the_image_once(work: Any, engine: FakeBackend) -> None:
    results: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda n=n: results.update({n: work.give.remote(n)}))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: n for n in range(8)}
    assert len(engine.builds) == 1


def test_an_async_function_gives_a_coroutine(work: Any, engine: FakeBackend) -> None:
    async def both() -> Any:
        return await asyncio.gather(work.later.remote(1), work.later.remote(2))

    assert asyncio.run(both()) == [1, 2]
    assert len(engine.runs) <= 2


def test_a_function_under_another_decorator_is_called_directly(
    work: Any, engine: FakeBackend
) -> None:
    assert work.wrapped.remote(3) == [3]
    assert work.App.static.remote(4) == 4
    assert len(engine.runs) == 2


def test_a_method_needs_pickle_for_its_object(work: Any, engine: FakeBackend) -> None:
    assert work.App(5).plus.remote(2).n == 7
    with pytest.raises(TransferError, match=r"^self cannot travel: it is of the type work\.App"):
        work.App().plain.remote(1)
    assert len(engine.runs) == 1


def test_a_class_method_gets_its_class(work: Any, engine: FakeBackend) -> None:
    class Inherited(work.App):  # type: ignore[misc] # defined by the test
        __module__ = work.__name__

    Inherited.__qualname__ = Inherited.__name__
    work.Inherited = Inherited
    assert work.App.of_class.remote(1) == ["App", 1]
    assert Inherited.of_class.remote(2) == ["Inherited", 2]
    assert work.App().of_class.local(3) == ["App", 3]
    with pytest.raises(TransferError, match=r"^x cannot travel"):
        work.App.of_class.remote(1j)
    assert len(engine.runs) == 2


def test_inside_a_container_a_call_just_runs(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "1")
    assert work.give.remote((1, 2)) == (1, 2)
    assert asyncio.run(work.later.remote(3)) == 3


# Arguments ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "kwargs", "what"),
    [
        ((1j,), {}, "a cannot travel: it is of the type complex"),
        ((1, {"x": [{1: 2}]}), {}, 'b["x"][0] cannot travel: it has the key 1'),
        ((1, 2, {3j}), {}, "argument 3[0] cannot travel: it is of the type complex"),
        ((1,), {"c": float("nan")}, "c cannot travel: it is nan"),
    ],
)
def test_an_argument_that_would_change_is_refused_by_name_before_the_call(
    work: Any, engine: FakeBackend, args: Any, kwargs: Any, what: str
) -> None:
    with pytest.raises(TransferError) as caught:
        work.add.remote(*args, **kwargs)
    assert caught.value.what.startswith(what)
    assert engine.operations == []


def test_wrong_arguments_are_the_usual_type_error(work: Any, engine: FakeBackend) -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        work.add.remote()
    assert engine.operations == []


def test_arguments_and_results_have_a_limit(work: Any, engine: FakeBackend) -> None:
    give = calls.options(work.give, call_limit=100)
    with pytest.raises(TransferError, match="the list of arguments has 2009 bytes, and 100 may"):
        give.remote("x" * 2000)
    assert engine.operations == []
    engine.guest = lambda container: _call(container).returns("x" * 2000)
    with pytest.raises(TransferError, match="result has 2002 bytes, and 100 may travel"):
        give.remote("x")
    assert calls.options(work.give, call_limit="4k").remote("x") == "x" * 2000


def _call(container: FakeContainer) -> Any:
    call = call_in(container)
    assert call is not None
    return call


# Exceptions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected", "arguments"),
    [
        ("value", ValueError, ("bad", 1)),
        ("stop", StopIteration, ()),
        ("decode", UnicodeDecodeError, ("utf-8", b"\xff", 0, 1, "invalid start byte")),
    ],
)
def test_a_built_in_exception_is_raised_with_the_remote_traceback(
    work: Any, engine: FakeBackend, kind: str, expected: type[BaseException], arguments: Any
) -> None:
    with pytest.raises(expected) as caught:
        work.fail.remote(kind)
    error = caught.value
    assert type(error) is expected
    assert error.args == arguments
    assert getattr(error, "__notes__", []) == (["look here"] if kind == "value" else [])
    cause = error.__cause__
    assert isinstance(cause, RemoteError)
    assert cause.traceback.startswith("Traceback (most recent call last):")
    assert "in fail" in cause.traceback
    assert cause.traceback in str(cause)
    assert len(engine.runs) == 1


def test_sys_exit_in_a_call_ends_the_container_and_not_the_program(
    work: Any, engine: FakeBackend
) -> None:
    with pytest.raises(
        RemoteError, match=r"fail ended its program by sys.exit in the container \(3\)"
    ) as caught:
        work.fail.remote("exit")
    assert (caught.value.type_name, caught.value.status) == ("SystemExit", 3)
    assert "in fail" in caught.value.traceback
    assert engine.runs[0].exit_code == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SystemExit(), 0),
        (SystemExit(0), 0),
        (SystemExit(None), 0),
        (SystemExit("no such file"), 1),
        (SystemExit(-1), 255),
        (KeyboardInterrupt(), None),
        (GeneratorExit(), None),
    ],
    ids=repr,
)
def test_exceptions_that_end_a_program_are_not_raised(
    work: Any, engine: FakeBackend, error: BaseException, status: int | None
) -> None:
    engine.guest = lambda container: _call(container).raises(error)
    with pytest.raises(RemoteError) as caught:
        work.fail.remote("value")
    assert caught.value.status == status
    assert caught.value.type_name == type(error).__name__


@pytest.mark.parametrize(("kind", "name"), [("own", "work.MyError"), ("group", "ExceptionGroup")])
def test_any_other_exception_is_a_remote_error_that_shows_the_traceback(
    work: Any, engine: FakeBackend, kind: str, name: str
) -> None:
    with pytest.raises(RemoteError, match=f"fail raised {name} in the container: m") as caught:
        work.fail.remote(kind)
    assert caught.value.type_name == name
    assert "in fail" in str(caught.value)
    assert caught.value.status is None
    assert len(engine.runs) == 1


def test_a_result_that_would_change_is_refused(work: Any, engine: FakeBackend) -> None:
    with pytest.raises(TransferError, match="result cannot travel: it is of the type complex"):
        work.fail.remote("complex")
    assert len(engine.runs) == 1


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (137, "the container of give was killed by SIGKILL before there was a result"),
        (139, "the container of give was killed by SIGSEGV before there was a result"),
        (0, "the container of give ended with status 0 before there was a result"),
        (200, "the container of give ended with status 200 before there was a result"),
    ],
)
@pytest.mark.parametrize("remote", [False, True])
def test_an_end_without_a_result_reports_the_status(
    work: Any, status: int, what: str, remote: bool
) -> None:
    with (
        using(FakeBackend(lambda _container: status, remote=remote)),
        pytest.raises(RemoteError) as caught,
    ):
        work.give.remote(1)
    assert (caught.value.what, caught.value.status) == (what, status)
    assert ("memory" in caught.value.hint) is (status == 137)


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense",
        b'{"kind": "odd", "length": 0}\n',
        b'{"kind": "error", "length": 2}\n{}',
        b'{"kind": "error", "length": 2}\n[]',
        b'{"kind": "refused", "length": 2}\n[]',
        b'{"kind": "value", "length": 3}\n{x}',
        b'{"kind": ["value"], "length": 2}\n12',
        b'{"kind": "value", "length": 5}\n12',
    ],
)
def test_an_invalid_answer_is_only_an_error(work: Any, engine: FakeBackend, answer: bytes) -> None:
    engine.guest = lambda container: calls.answer(container, answer)
    with pytest.raises(TransferError, match="what came back from give"):
        work.give.remote(1)


@pytest.mark.parametrize("builtin", ["print", "object", "str", "__import__", "NoSuchError"])
def test_only_exceptions_are_rebuilt(work: Any, engine: FakeBackend, builtin: str) -> None:
    from buildr.guest import transfer
    from buildr.guest.call import describe

    def guest(container: FakeContainer) -> int:
        import json

        head, data = describe(ValueError("os"))
        report = {**json.loads(data), "builtin": builtin, "state": {"__class__": "x"}}
        message = transfer.message(head, json.dumps(report).encode())
        return calls.answer(container, message, status=1)

    engine.guest = guest
    with pytest.raises(RemoteError, match="give raised ValueError in the container: os"):
        work.give.remote(1)


def test_a_result_above_the_limit_is_not_read(work: Any, engine: FakeBackend) -> None:
    from buildr.guest import transfer

    def guest(container: FakeContainer) -> int:
        message = transfer.message({"kind": "value"}, b'"' + b"x" * 1000 + b'"')
        return calls.answer(container, message)

    engine.guest = guest
    with pytest.raises(TransferError, match="result has 1002 bytes, and 100 may travel"):
        calls.options(work.give, call_limit=100).remote(1)


def test_nothing_is_unpickled_by_default(work: Any, engine: FakeBackend) -> None:
    from buildr.guest import transfer

    evil = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x05false\x85R."

    def guest(container: FakeContainer) -> int:
        message = transfer.message({"kind": "value", "pickled": True}, evil)
        return calls.answer(container, message)

    engine.guest = guest
    with pytest.raises(TransferError, match="cannot be read"):
        work.give.remote(1)


def test_classes_of_the_guest_s_script_become_those_of_the_host(work: Any) -> None:
    from buildr.call import result as call_result
    from buildr.call.target import Target
    from buildr.guest import transfer

    target = Target(
        entry=Entry(kind="script", script=work.__file__),
        module="__mp_main__",
        name="give",
        function=work.give.local,
    )
    answer = transfer.message({"kind": "value"}, b"c__mp_main__\nApp\n)R.")  # App()
    assert type(call_result.read(answer, target, pickled=True, limit=100, hide=list)) is work.App


# The engine -----------------------------------------------------------------------------------------------


def test_engine_errors_are_raised_to_the_caller(work: Any, engine: FakeBackend) -> None:
    engine.fail("build", BuildError("step 3 failed"))
    with pytest.raises(BuildError, match="step 3 failed"):
        work.give.remote(1)
    engine.fail("create", ContainerError("no room"))
    with pytest.raises(ContainerError, match="no room"):
        work.give.remote(1)
    assert work.give.remote(1) == 1


def test_a_lost_engine_is_not_mistaken_for_an_exit(work: Any, engine: FakeBackend) -> None:
    def guest(container: FakeContainer) -> int:
        container.cut()
        container.signals.wait()
        return 0

    engine.guest = guest
    with pytest.raises(EngineLostError):
        work.give.remote(1)


def test_a_removed_image_is_built_again(work: Any, engine: FakeBackend) -> None:
    work.give.remote(1)
    engine.fail("create", ImageNotFoundError("it is no longer stored"))
    assert work.give.remote(2) == 2


def test_hardened_containers_of_remote_engines_cannot_return_results(work: Any) -> None:
    with (
        using(FakeBackend(remote=True)),
        pytest.raises(ContainerError, match="no place for a result"),
    ):
        calls.options(work.give, hardened=True).remote(1)
    with using(FakeBackend()):
        assert calls.options(work.give, hardened=True).remote(1) == 1


def test_an_engine_that_does_not_see_the_file_returns_an_archive(
    work: Any, engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = engine.create

    def refuse(spec: Any) -> str:
        if spec.mounts:
            raise ContainerError(f"bind source path does not exist: {spec.mounts[0].source}")
        return create(spec)

    monkeypatch.setattr(engine, "create", refuse)
    assert list(work.give.map([1, 2])) == [1, 2]
    assert "get_archive" in engine.operations


def test_an_empty_archive_is_requested_again(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with using(FakeBackend(remote=True)) as backend:
        get, empty = backend.get_archive, iter([True, True])

        def archive(container: str, path: str) -> Iterator[bytes]:
            return iter(()) if next(empty, False) else get(container, path)

        monkeypatch.setattr(backend, "get_archive", archive)
        assert work.give.remote(1) == 1
        assert next(empty, "all were given") == "all were given"


# The end --------------------------------------------------------------------------------------------------


def until_a_signal(container: FakeContainer) -> int:
    container.signals.catch(signal.SIGINT)
    container.stdout.write(b"ready\n")
    assert container.signals.wait() == signal.SIGINT
    return _call_back(container)


def _call_back(container: FakeContainer) -> int:
    status: int = _call(container).returns("too late")
    return status


def test_a_call_that_takes_too_long_is_stopped(work: Any, engine: FakeBackend) -> None:
    engine.guest = until_a_signal
    with pytest.raises(CallTimeoutError, match=r"give took longer than 0\.01 s"):
        work.give.within(0.01).remote(1)
    with pytest.raises(TimeoutError):
        calls.options(work.give, call_timeout=0.01).remote(1)
    engine.guest = lambda container: _call(container).run()
    assert work.give.within(None).remote(1) == 1


def test_options_come_from_all_places_and_within_has_precedence(
    work: Any, engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDR_RUNTIME_CALL_TIMEOUT", "0.01")
    Path("pyproject.toml").write_text("[tool.buildr.runtime]\ncall_limit = 100\n")
    with pytest.raises(TransferError, match="and 100 may travel"):
        work.give.remote("x" * 200)
    assert work.give.within(60).remote(1) == 1
    engine.guest = until_a_signal
    with pytest.raises(CallTimeoutError, match=r"longer than 0\.01 s"):
        work.give.remote(1)


def test_the_time_limit_of_a_call_is_a_number_of_seconds(work: Any) -> None:
    with pytest.raises(OptionError, match="seconds cannot be 'x'"):
        work.give.within("x")


def test_a_call_can_be_cancelled_from_another_thread(work: Any, engine: FakeBackend) -> None:
    def guest(container: FakeContainer) -> int:
        threading.Thread(target=work.give.cancel).start()
        return until_a_signal(container)

    engine.guest = guest
    with pytest.raises(CallCancelledError, match="the call of give was cancelled"):
        work.give.remote(1)


def test_a_call_cancelled_before_its_container_exists_never_starts_one(
    work: Any, engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = engine.tag

    def cancel(image: str, reference: str) -> None:
        work.give.cancel()
        tag(image, reference)

    monkeypatch.setattr(engine, "tag", cancel)
    asked = threading.Event()
    original = FakeBackend.build

    def build(*args: Any) -> Any:
        asked.set()
        return original(*args)

    monkeypatch.setattr(FakeBackend, "build", build)

    async def begin() -> None:
        with pytest.raises(CallCancelledError):
            await work.later.remote(1)

    work.later._decoration.running = work.give._decoration.running
    asyncio.run(begin())
    assert asked.is_set()
    assert engine.runs == []


def test_cancelling_a_task_cancels_its_call(work: Any, engine: FakeBackend) -> None:
    started = threading.Event()
    seen: list[int] = []

    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGINT)
        started.set()
        seen.append(container.signals.wait())
        return 130

    engine.guest = guest

    async def main() -> None:
        task = asyncio.create_task(work.later.remote(1))
        await asyncio.to_thread(started.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == [signal.SIGINT]


def test_an_interrupt_ends_the_call_and_is_raised_without_changing_handlers(
    work: Any, engine: FakeBackend
) -> None:
    handlers = [signal.getsignal(number) for number in range(1, 32)]
    seen: list[Any] = []

    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGINT)
        seen.append([signal.getsignal(number) for number in range(1, 32)] == handlers)
        os.kill(os.getpid(), signal.SIGINT)
        seen.append(container.signals.wait())
        return 130

    engine.guest = guest
    with pytest.raises(KeyboardInterrupt):
        work.give.remote(1)
    assert seen == [True, signal.SIGINT]


def test_a_second_interrupt_kills(work: Any, engine: FakeBackend) -> None:
    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        container.signals.wait()
        os.kill(os.getpid(), signal.SIGINT)
        container.signals.wait()  # until it is killed
        return 0

    engine.guest = guest
    with pytest.raises(KeyboardInterrupt):
        work.give.remote(1)
    assert engine.runs[0].signals.received == [signal.SIGINT, signal.SIGKILL]


def test_a_third_interrupt_does_not_wait(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    words: list[bytes] = []

    def guest(_container: FakeContainer) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        end.wait()
        return 0

    def ask_again(_container: str, _number: int) -> None:
        """Simulate an engine that cannot kill, and a user who presses Ctrl+C each time."""
        os.kill(os.getpid(), signal.SIGINT)

    def say(watchdog: Watchdog, word: bytes) -> None:
        words.append(word)
        plainly(watchdog, word)

    plainly = Watchdog.say
    monkeypatch.setattr(Watchdog, "say", say)
    with using(FakeBackend(guest)) as backend, monkeypatch.context() as patch:
        patch.setattr(backend, "kill", ask_again)
        with pytest.raises(KeyboardInterrupt):
            work.give.remote(1)
        assert not backend.runs[0].removed
        assert words[-1] == b"!"  # the watchdog finishes immediately
        end.set()
        for thread in threading.enumerate():
            if thread.name == "buildr-call":
                thread.join()


# Where functions are found --------------------------------------------------------------------------------


def test_a_function_inside_another_one_cannot_be_found(work: Any, engine: FakeBackend) -> None:
    with pytest.raises(
        EntryError, match=r"cannot find maker\.<locals>\.local: it is defined inside"
    ):
        work.maker().remote()
    assert engine.operations == []


def test_a_function_of_a_module_without_a_file_cannot_be_found(
    engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import ModuleType

    module = ModuleType("made_up")
    monkeypatch.setitem(sys.modules, "made_up", module)
    exec("from buildr import Containerize\n@Containerize\ndef f(): pass", vars(module))  # noqa: S102 - our own text
    with pytest.raises(EntryError, match="its module made_up has no file"):
        module.f.remote()
    assert engine.operations == []


def test_an_installed_function_belongs_to_no_project(engine: FakeBackend) -> None:
    function = functools.partial(buildr.Containerize)(json_function())
    with pytest.raises(EntryError, match="its module json is installed"):
        function.remote("1")
    assert engine.operations == []


def json_function() -> Any:
    import json

    return json.loads


@pytest.mark.parametrize(
    "words",
    [("-c", "from work import *; print(add.remote(1)['sum'])"), ("-",)],
)
def test_an_imported_function_can_be_called_from_a_prompt(
    work: Any, words: tuple[str, ...]
) -> None:
    code = (
        "from buildr.testing import *; from work import add\n"
        "with using(FakeBackend()): print(add.remote(1)['sum'])\n"
    )
    words = ("-c", code) if words[0] == "-c" else words
    done = python(*words, cwd=Path(work.__file__).parent, stdin=code.encode())
    assert (done.returncode, done.stdout) == (0, b"adding\n3\n")


@pytest.mark.parametrize("words", [("-c",), ("-",)])
def test_a_function_defined_at_a_prompt_is_refused_with_advice(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    code = (
        "from buildr import Containerize\nfrom buildr.errors import EntryError\n"
        "@Containerize\ndef f(): pass\n"
        "try: f.remote()\nexcept EntryError as error: print(error)\n"
    )
    words = ("-c", code) if words[0] == "-c" else words
    done = python(*words, cwd=tmp_path, stdin=code.encode(), env={"BUILDR_IN_CONTAINER": "0"})
    assert done.stderr == b""
    first, second = done.stdout.decode().splitlines()
    assert first.startswith("the container cannot find f: ")
    assert "import it from there" in second


def test_a_module_of_a_package_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: FakeBackend
) -> None:
    for module in calls.imported(tmp_path, monkeypatch, name="pkg.inner.mod"):
        assert module.give.remote(1) == 1
    assert engine.runs[0].spec.workdir == "/app"
    assert "context/pkg/inner/mod.py" in engine.builds[0].files
    assert engine.builds[0].containerfile.count('CMD ["python", "-u", "-m", "pkg.inner.mod"]') == 1


def test_the_running_script_finds_its_own_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: FakeBackend
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text(
        calls.MODULE + "\nif __name__ == '__main__':\n    print(give.remote(1), add.remote(2))\n"
        "    print(App(1).plus.remote(2).n)"
    )
    result = run_script("app.py", "argument")
    assert (result.status, result.stdout) == (0, b"adding\n1 {'sum': 4}\n3\n"), result.stderr
    assert len(engine.builds) == 1
