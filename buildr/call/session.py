"""What the calls of one function share: the engine, the image, the watchdog, and how many run at a time."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from buildr.call import result
from buildr.call.invocation import Call
from buildr.call.result_file import Channel
from buildr.call.target import find
from buildr.errors import ContainerError, ImageNotFoundError, OptionError, TransferError
from buildr.guest import transfer
from buildr.host.exit_status import occupy_standard_streams
from buildr.layout import CALL
from buildr.run.loop import run
from buildr.runners.container import container_spec
from buildr.runners.engine import housekeeping, tell_ports, watchdog_for
from buildr.runners.session import Engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.call.callee import Callee
    from buildr.engines.container_spec import ContainerSpec
    from buildr.image.ensure import Ready
    from buildr.options import Runtime
    from buildr.run.watchdog import Watchdog

_MOST = 4  # containers at a time, unless told otherwise

_preparing = threading.Lock()  # builds of one project at once would be the same build


class _Prepared:
    """What a call finds ready."""

    def __init__(self, engine: Engine, ready: Ready, spec: ContainerSpec) -> None:
        self.engine = engine
        self.ready = ready
        self.spec = spec


class Session:
    """Calls of one function; a context manager.

    Args:
        callee: the function.
        concurrency: how many run at a time, where somebody says so.

    Attributes:
        target: the function, and where it lies.
        running: has each call in it while it runs.
        concurrency: how many run at a time.
        timeout: how long a guest may run, in seconds; ``None``: for ever.
        turns: held by a call while it runs.
        given_up: whether nobody waits any more.
    """

    def __init__(self, callee: Callee, concurrency: int | None = None) -> None:
        self.target = find(callee.function, named=callee.named)
        settings = callee.settings(self.target.entry)
        runtime = settings.runtime
        self.running = callee.running
        self.timeout = runtime.call_timeout
        self.concurrency = at_a_time(runtime, concurrency)
        self.turns = threading.Semaphore(self.concurrency)
        self._settings = settings
        self._runtime = runtime
        self._pickled = runtime.call_format == "pickle"
        self._lock = threading.Lock()
        self._prepared: _Prepared | None = None
        self._failure: BaseException | None = None
        self._stack = contextlib.ExitStack()
        self._mounts = True
        self._watchdog: Watchdog | None = None
        self.given_up = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End; all calls must have ended, unless they were given up."""
        self.close()

    def new(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Return a call with these arguments, not yet started.

        Raises:
            TypeError: the function does not take such arguments.
            TransferError: they cannot travel.
        """
        return Call(self, self._request(args, kwargs))

    def _request(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        import inspect

        function = self.target.function
        inspect.signature(function).bind(*args, **kwargs)
        if (bound := getattr(function, "__self__", None)) is not None:
            args = (bound, *args)
        limit = self._runtime.call_limit
        if self._pickled:
            data = transfer.encode((args, kwargs), "the list of arguments", limit, pickled=True)
        else:
            code = getattr(getattr(function, "__func__", function), "__code__", None)
            names = code.co_varnames[: code.co_argcount] if code is not None else ()
            for index, value in enumerate(args):
                known = index < len(names)
                transfer.check(value, names[index] if known else f"argument {index + 1}")
            for name, value in kwargs.items():
                transfer.check(value, name)
            data = transfer.encode([list(args), kwargs], "the list of arguments", limit)
        return data

    def prepare(self) -> _Prepared:
        """Reach the engine and find or build the image; only the first time.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._prepared is None:
                try:
                    self._prepared = self._prepare()
                except Exception as error:
                    self._failure = error
                    raise
            return self._prepared

    def _prepare(self) -> _Prepared:
        occupy_standard_streams()
        settings = self._settings
        runtime = replace(settings.runtime, debug=None)  # that is for whole scripts
        engine = Engine(self.target.entry, settings.package, runtime, origins=settings.origins)
        self._stack.enter_context(engine)
        self._mounts = not engine.backend.info.remote
        prepared = self._with_image(engine, trust=True)
        self._stack.enter_context(housekeeping(engine, prepared.ready))
        watchdog = watchdog_for(engine, prepared.spec)
        self._watchdog = self._stack.enter_context(watchdog)
        return prepared

    def _with_image(self, engine: Engine, *, trust: bool) -> _Prepared:
        with _preparing:
            ready = engine.make_ready(trust=trust)
        spec = container_spec(
            engine.backend, engine.project, ready, self.target.entry, self._runtime, tty=False
        )
        if self._prepared is not None:  # the watchdog knows the calls by their label
            spec = replace(spec, labels=self._prepared.spec.labels)
        return _Prepared(engine, ready, replace(spec, stdin=True, health=None))

    def run(self, call: Call, payload: bytes) -> Any:
        """Run a call's container; return the value.

        Raises:
            BaseException: what the function raised, if it is built in.
            BuildrError: of any kind; see `buildr.errors`.
        """
        prepared = self.prepare()
        try:
            return self._run(call, payload, prepared)
        except ContainerError as error:
            # On this host and yet with other files: in a container itself, or Docker Desktop's.
            if not Channel.is_named_in(str(error)):
                raise
            self._mounts = False
        except ImageNotFoundError:  # somebody's clean-up of images came between
            with self._lock:
                if self._prepared is prepared:
                    self._prepared = self._with_image(prepared.engine, trust=False)
        return self._run(call, payload, self.prepare())

    def _run(self, call: Call, payload: bytes, prepared: _Prepared) -> Any:
        engine, backend, limit = prepared.engine, prepared.engine.backend, self._runtime.call_limit
        status = 0
        with Channel(most=limit + result.HEAD_BYTES, mounted=self._mounts) as channel:
            spec = channel.into(prepared.spec)
            head, command = self._head(prepared)
            spec = replace(spec, command=(*command, channel.place))

            def on_start(container: str) -> None:
                call.started()
                tell_ports(backend, container, spec, engine.say)

            def on_end(container: str, ended_with: int) -> None:
                nonlocal status
                status = ended_with
                channel.fetch(backend, container)

            run(
                backend,
                spec,
                call.signals,
                files=prepared.ready.files,
                input_=transfer.message(head, payload),
                on_start=on_start,
                on_end=on_end,
                watchdog=self._watchdog,
            )
            message = channel.read()
        if call.unwanted:
            return None  # whatever came of it
        if not message or (status and transfer.parse(message) is None):
            result.absent(status, self.target)
        return result.read(message, self.target, pickled=self._pickled, limit=limit)

    def _head(self, prepared: _Prepared) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return what the guest must know to find the function, and the command that starts it."""
        entry, command = self.target.entry, prepared.engine.project.placement.command
        path = "" if entry.kind == "module" else command[-1]
        if prepared.engine.project.dockerfile is not None and path:
            # The user's own image has it where its command says, if that names it.
            same = [word for word in prepared.spec.command if _leaf(word) == _leaf(path)]
            path = same[0] if same else path
        head = {
            "module": self.target.module,
            "path": path,
            "spec": entry.module,
            "function": self.target.name,
            "pickled": self._pickled,
            "limit": self._runtime.call_limit,
        }
        return head, ("python", "-u", CALL)

    def give_up(self) -> None:
        """Wait for nothing any more: the watchdog ends what still runs, at once."""
        self.given_up = True
        if self._watchdog is not None:
            self._watchdog.__exit__(KeyboardInterrupt, None, None)

    def close(self) -> None:
        """Let go of the engine."""
        if not self.given_up:
            self._stack.close()


def _leaf(path: str) -> str:
    return path.rpartition("/")[2]


def refused(error: Exception) -> bool:
    """Whether an error says that arguments are wrong, and so belongs to one call of many."""
    return isinstance(error, TransferError | TypeError)


def at_a_time(runtime: Runtime, asked: int | None) -> int:
    """Return how many containers run at a time.

    Raises:
        OptionError: not so many, or none.
    """
    alone = [
        option
        for option, there in (
            ("name", runtime.name is not None),
            ("ports", any(port.host for port in runtime.ports)),
        )
        if there
    ]
    if asked is None:
        return 1 if alone else min(_MOST, os.cpu_count() or 1)
    if type(asked) is not int or asked < 1:
        raise OptionError(f"concurrency cannot be {asked!r}", hint="accepted: a number from 1 on")
    if alone and asked > 1:
        raise OptionError(
            f"runtime.{alone[0]} and concurrency={asked} exclude each other:"
            " only one container at a time can have it",
            hint="Leave one of them out; host port 0 lets the engine choose a free one.",
        )
    return asked
