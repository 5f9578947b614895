"""Calls of single functions in a fake container: the request of ``main.remote(...)``, and the possible answers."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any

from buildr.guest import frames, transfer
from buildr.guest.call import describe, perform
from buildr.guest.loading import MAIN
from buildr.testing.streams import GuestEnded

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.engines.container_spec import ContainerSpec

    Reply = Callable[[tuple[Any, ...]], None]


class FakeCall:
    """A call that a guest has to answer with one of the methods; each returns the guest's exit status.

    Attributes:
        function: the function's name, ``Class.method``.
        args: positional arguments; of an executor that calls another function, that one first.
        kwargs: named ones.
        answered: whether it has been.
        ends: whether the answer was one that ends the guest, such as SystemExit.
    """

    def __init__(self, request: bytes | bytearray, reply: Reply) -> None:
        found = transfer.parse(request)
        if found is None:
            raise ValueError("the request for a call broke off")
        self._reply = reply
        self._head, self._payload = found
        self.answered = self.ends = False
        self.function: str = self._head["function"]
        self.args: tuple[Any, ...]
        self.kwargs: dict[str, Any]
        seen: list[Any] = []
        self._perform(lambda *args, **kwargs: seen.extend((args, kwargs)))
        self.args, self.kwargs = seen

    def run(self) -> int:
        """Let the function itself run, here and now, with this process's own streams."""
        return self._answer(perform(self._found(), self._head, self._payload))

    def returns(self, value: Any) -> int:
        """Return a value, by the rules that hold for the function's own."""
        return self._answer(self._perform(lambda *_args, **_kwargs: value))

    def raises(self, error: BaseException) -> int:
        """Raise an exception."""
        return self._answer(describe(error))

    def _perform(self, function: Any) -> tuple[Any, ...]:
        return perform(function, {**self._head, "other": False}, self._payload, of=self._found())

    def _found(self) -> Any:
        from buildr.api.containerized import Containerized

        module = "__main__" if self._head["module"] == MAIN else self._head["module"]
        found: Any = sys.modules[module]
        for part in self.function.split("."):
            found = getattr(found, part)
        while not isinstance(found, Containerized) and hasattr(found, "__wrapped__"):
            found = found.__wrapped__  # of another decorator on top
        return found.local if isinstance(found, Containerized) else found

    def _answer(self, answer: tuple[Any, ...]) -> int:
        self.answered = True
        self.ends = bool(answer[0].get("ends"))
        self._reply(answer)
        return 0 if answer[0]["kind"] == "value" else 1


class FakeCalls:
    """The calls that a container gets, one after the other.

    Args:
        container: how it was created.
        stdin: its standard input.
        files: what it has by absolute path.

    Attributes:
        outputs: what takes the place of its standard output and error; empty where they stay what they are.
    """

    def __init__(
        self, container: ContainerSpec, stdin: io.BufferedIOBase, files: dict[str, bytes]
    ) -> None:
        self.outputs: tuple[io.RawIOBase, ...] = ()
        self._stdin = stdin
        self._files = files
        self._place = container.command[-1]
        self._stack = contextlib.ExitStack()
        self._requests = self._answers = -1
        self._last: FakeCall | None = None
        self._answer: tuple[Any, ...] | None = None
        mounts = {mount.target: mount.source for mount in container.mounts}
        if self._place in mounts:
            self._open(mounts[self._place])

    def _open(self, folder: str) -> None:
        """Do what `buildr.guest.worker` does."""

        def opened(name: str, flags: int) -> int:
            file = frames.open_fifo(folder, name, flags)
            self._stack.callback(os.close, file)
            return file

        self._requests = opened(frames.REQUESTS, os.O_RDONLY)
        self._answers = opened(frames.ANSWERS, os.O_WRONLY)
        self.outputs = tuple(
            io.FileIO(opened(name, os.O_WRONLY), "w", closefd=False)
            for name in (frames.STDOUT, frames.STDERR)
        )
        frames.write(self._answers, frames.READY)

    def current(self) -> FakeCall | None:
        """Return the call that is to be answered, once there is one; ``None`` where no more come."""
        if self._last is None or self._last.answered:
            self._send(frames.ANSWER)
            self._last = self._next()
        return self._last

    def close(self) -> None:
        """Send the last answer, and close what is open: the guest has ended."""
        with contextlib.suppress(GuestEnded):
            self._send(frames.LAST)
        self._stack.close()

    def _next(self) -> FakeCall | None:
        if self._requests >= 0:
            frame = frames.read(self._requests)
            ended = frame is None or frame[0] != frames.CALL
            return None if frame is None or ended else FakeCall(frame[1], self._keep)
        return FakeCall(self._stdin.read(), self._store) if self._last is None else None

    def _keep(self, answer: tuple[Any, ...]) -> None:
        """Keep an answer until the guest asks for the next call, or returns: only then it is known whether it takes more."""
        self._answer = answer

    def _send(self, kind: bytes) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            try:
                frames.write(self._answers, kind, transfer.message(*answer))
            except BrokenPipeError:  # the container was killed
                raise GuestEnded from None

    def _store(self, answer: tuple[Any, ...]) -> None:
        self._files[self._place] = transfer.message(*answer)
