"""The FIFOs between this process and a worker: requests, answers, and output.

A folder of the host is mounted read-only into the container; FIFOs in it are still writable. This needs no request to
the engine, works with a read-only root, and the data arrives even if the container is lost. It takes no disk space, and
no more memory than the limit of an answer. The folder is in a private one.
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
"""The path of the folder in the container."""
_SELINUX = "/sys/fs/selinux/enforce"
_SHOWN = ((frames.STDOUT, 1), (frames.STDERR, 2))
_OUTPUT_BYTES = 1 << 16


class Pipes:
    """The FIFOs of one worker; a context manager.

    Attributes:
        shown: the read ends of the output, each with the destination descriptor of this process.
    """

    def __init__(self) -> None:
        self.shown: dict[int, int] = {}
        self._stack = contextlib.ExitStack()
        self._folder = ""
        self._requests = self._answers = -1
        self._reader = FrameReader()

    def __enter__(self) -> Self:
        """Create the FIFOs."""
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
        """Close and remove the FIFOs."""
        self._stack.close()

    def _made(self, stack: contextlib.ExitStack, name: str) -> int:
        path = os.path.join(self._folder, name)
        os.mkfifo(path, 0o600)
        # Any user that the guest runs as may use it; nothing else reaches this folder.
        os.chmod(path, 0o666)  # noqa: S103 - the folder above is the user's alone
        # For both directions: that never waits for the other end, and no end of the guest's is the end.
        file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, file)
        with contextlib.suppress(OSError):  # the user's limit of pipe buffers is reached
            fcntl.fcntl(file, fcntl.F_SETPIPE_SZ, frames.PIPE_BYTES)
        return file

    def into(self, spec: ContainerSpec) -> ContainerSpec:
        """Return a container with the FIFOs mounted."""
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
        """Send a request; return the kind and the data of the answer.

        Args:
            request: the data of the frame in parts.
            most: the maximum size of the answer in bytes.
            ended: a descriptor that becomes readable when the worker has ended.

        Returns:
            ``None`` if the worker has ended or the answer is too large.
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
        """Whether the worker is ready for calls; to be called until it is, or `is_broken`."""
        found = self._reader.take(self._answers)
        return found is not None and found[0] == frames.READY

    @property
    def is_broken(self) -> bool:
        """Whether the worker sent anything other than frames."""
        return self._reader.broken

    @property
    def answers(self) -> int:
        """The descriptor on which the worker reports that it is ready."""
        return self._answers

    def end(self) -> None:
        """Notify the worker that there are no more calls."""
        with contextlib.suppress(OSError):  # the worker does not read
            os.write(self._requests, frames.HEAD.pack(frames.END, 0))

    def show(self) -> None:
        """Copy the output of functions so far; by one thread at a time.

        Raises:
            BrokenPipeError: the reader of our output is gone.
            BuildrError: our output cannot be written.
        """
        for source, file in self.shown.items():
            left = _waiting(source)  # later output may be endless
            while left > 0:
                data = os.read(source, min(left, _OUTPUT_BYTES))
                left -= len(data)
                write(file, memoryview(data))

    def _send(self, left: list[memoryview]) -> None:
        with contextlib.suppress(BlockingIOError):
            frames.send(self._requests, left)

    def _close_answers(self) -> None:
        """Make further writes of the worker fail."""
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(null, self._answers, inheritable=False)
        os.close(null)


def _waiting(file: int) -> int:
    """Return the number of available bytes."""
    (count,) = struct.unpack("i", fcntl.ioctl(file, termios.FIONREAD, bytes(4)))
    return int(count)
