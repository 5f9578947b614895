"""The FIFOs between this process and one worker: requests, answers, and what its functions write.

A folder of the host's is mounted into the container, read-only: FIFOs can be written all the same. That costs no request to the engine,
works with a read-only root, and whatever becomes of the container, what was written is here. It takes no room on a
disk, and no more in memory than an answer may have. The folder lies in one that only the user can enter.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from buildr.engines.container_spec import MountSpec
from buildr.guest import frames
from buildr.host import temporary
from buildr.layout import GUEST_ROOT
from buildr.run.output import write
from buildr.runners.frame_reader import FrameReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.engines.container_spec import ContainerSpec

PLACE = f"{GUEST_ROOT}/calls"
"""Where the folder is in the container."""
_SELINUX = "/sys/fs/selinux/enforce"
_SHOWN = ((frames.STDOUT, 1), (frames.STDERR, 2))
_OUTPUT_BYTES = 1 << 16


class Pipes:
    """The FIFOs of one worker; a context manager.

    Attributes:
        shown: the ends of what its functions write, each with the descriptor of this process where it goes.
    """

    def __init__(self) -> None:
        self.shown: dict[int, int] = {}
        self._stack = contextlib.ExitStack()
        self._folder = ""
        self._requests = self._answers = -1
        self._reader = FrameReader()

    def __enter__(self) -> Self:
        """Make them."""
        with contextlib.ExitStack() as stack:
            self._folder = os.path.join(stack.enter_context(temporary.folder()), "calls")
            os.mkdir(self._folder)
            os.chmod(self._folder, 0o755)  # noqa: S103 - the folder above is the user's alone
            self._requests = self._made(stack, frames.REQUESTS)
            self._answers = self._made(stack, frames.ANSWERS)
            self.shown = {self._made(stack, name): file for name, file in _SHOWN}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Close and remove them."""
        self._stack.close()

    def _made(self, stack: contextlib.ExitStack, name: str) -> int:
        path = os.path.join(self._folder, name)
        os.mkfifo(path, 0o600)
        # Any user that the guest runs as may use it; nothing else reaches this folder.
        os.chmod(path, 0o666)  # noqa: S103 - the folder above is the user's alone
        # For both directions: that never waits for the other end, and no end of the guest's is the end.
        file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, file)
        with contextlib.suppress(OSError):  # the user has too many that are so large
            fcntl.fcntl(file, fcntl.F_SETPIPE_SZ, frames.PIPE_BYTES)
        return file

    def into(self, spec: ContainerSpec) -> ContainerSpec:
        """Return a container that has them."""
        mount = MountSpec(
            kind="bind",
            source=self._folder,
            target=PLACE,
            read_only=True,
            relabel="Z" if os.path.exists(_SELINUX) else "",
        )
        return replace(spec, mounts=(*spec.mounts, mount))

    def exchange(
        self, request: Sequence[frames.Bytes], most: int, ended: int
    ) -> tuple[bytes, bytearray] | None:
        """Send a request; return the kind of the answer, and what it says.

        Args:
            request: the data of the frame in parts.
            most: bytes that an answer may have.
            ended: a descriptor that is readable when the worker has ended.

        Returns:
            ``None``: it has ended, or there is more than may be, so that nothing more is read.
        """
        self._reader.begin(most)
        head = frames.HEAD.pack(frames.CALL, sum(map(len, request)))
        left = [memoryview(part) for part in (head, *request) if part]
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        poll.register(self._answers, select.POLLIN)
        self._send(left)
        if left:
            poll.register(self._requests, select.POLLOUT)
        while True:
            ready = dict(poll.poll())
            if self._requests in ready:
                self._send(left)
                if not left:
                    poll.unregister(self._requests)
            while (found := self._reader.take(self._answers)) is not None:
                if found[0] != frames.READY:
                    return found
            if self._reader.broken:
                self._close_answers()
                select.select((ended,), (), ())
                return None
            if ended in ready:
                return None

    def is_ready(self) -> bool:
        """Whether the worker has said by now that it takes calls; called until it has, or `is_broken`."""
        found = self._reader.take(self._answers)
        return found is not None and found[0] == frames.READY

    @property
    def is_broken(self) -> bool:
        """Whether something else than frames came from the worker."""
        return self._reader.broken

    @property
    def answers(self) -> int:
        """Where the worker says that it is ready."""
        return self._answers

    def end(self) -> None:
        """Tell the worker that there are no more calls."""
        with contextlib.suppress(OSError):  # it does not read
            os.write(self._requests, frames.HEAD.pack(frames.END, 0))

    def show(self) -> None:
        """Write what the functions have written until now; by one thread at a time.

        Raises:
            BrokenPipeError: the reader of our output has gone.
            BuildrError: our output cannot be written.
        """
        for source, file in self.shown.items():
            left = _waiting(source)  # what comes later may have no end
            while left > 0:
                data = os.read(source, min(left, _OUTPUT_BYTES))
                left -= len(data)
                write(file, memoryview(data))

    def _send(self, left: list[memoryview]) -> None:
        with contextlib.suppress(BlockingIOError):
            frames.send(self._requests, left)

    def _close_answers(self) -> None:
        """Let what the worker writes on fail."""
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(null, self._answers, inheritable=False)
        os.close(null)


def _waiting(file: int) -> int:
    """Return how many bytes can be read."""
    (count,) = struct.unpack("i", fcntl.ioctl(file, termios.FIONREAD, bytes(4)))
    return int(count)
