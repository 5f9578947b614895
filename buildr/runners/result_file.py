"""The channel for a call's result, separate from standard output and error; it survives the container's end.

A FIFO of the host's is mounted into the container, and the guest writes into it: that costs no request, works with a
read-only root, and whatever happens to the container, what was written is here. It takes no space on a disk, and no more in
memory than a result may have: the guest's writes beyond that fail. It belongs to this one call, in a folder that
only the user can enter. An engine that sees other files than this process has a file in the container instead, which is
fetched as an archive when the guest has ended, which takes 0.04 to 0.09 s (docs/decisions.md).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from msgspec.structs import replace

from buildr.engines.container_spec import MountSpec
from buildr.errors import ContainerError, EngineError
from buildr.host import temporary
from buildr.host.signals import block_signals
from buildr.layout import APP, GUEST_ROOT

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.containers import Containers

_PLACE = f"{GUEST_ROOT}/result"
_FOLDERS = ("/tmp", "/var/tmp", APP)  # noqa: S108 - in the container; one of them is not covered by a mount
_SELINUX = "/sys/fs/selinux/enforce"
_NOT_THERE = 404
# Podman 4.3 gives an empty archive, and says 200, while the monitor of a container that has just ended unmounts its files.
_TRIES = 10
_PAUSE_SECONDS = 0.05
_AROUND = (
    20 << 10
)  # bytes of an archive beside its one file: headers, and zeros up to a record of 10 KiB
_BUFFER = 1 << 16  # bytes that a pipe holds, pipe(7)


class Channel:
    """The channel for one result; a context manager.

    Args:
        most: bytes that are read, at most.
        mounted: whether the engine can mount a file of this host.

    Attributes:
        place: the result's path in the container.
    """

    def __init__(self, *, most: int, mounted: bool) -> None:
        self.place = _PLACE
        self._most = most
        self._mounted = mounted
        self._stack = contextlib.ExitStack()
        self._folder = ""
        self._fetched = b""
        self._pipe: _Pipe | None = None

    def __enter__(self) -> Self:
        """Make the FIFO."""
        if self._mounted:
            self._folder = self._stack.enter_context(temporary.folder())
            os.mkfifo(self._file, 0o600)
            # Any user that the guest runs as may write; nothing else reaches this folder.
            os.chmod(self._file, 0o666)  # noqa: S103 - the folder is the user's alone
            self._pipe = _Pipe(self._file, self._most)
            self._stack.callback(self._pipe.close)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self._stack.close()

    @property
    def _file(self) -> str:
        return os.path.join(self._folder, "result")

    @staticmethod
    def is_named_in(text: str) -> bool:
        """Whether an engine's message names a result's file, as it does when it does not find it."""
        return temporary.PREFIX in text

    def into(self, spec: ContainerSpec) -> ContainerSpec:
        """Return a container that has a place for the result.

        Raises:
            ContainerError: there is none.
        """
        if self._mounted:
            mount = MountSpec(
                kind="bind",
                source=self._file,
                target=_PLACE,
                relabel="Z" if os.path.exists(_SELINUX) else "",
            )
            return replace(spec, mounts=(*spec.mounts, mount))
        targets = [mount.target for mount in spec.mounts] + [item.target for item in spec.tmpfs]
        covered = [f"{target.rstrip('/')}/" for target in targets]
        for folder in _FOLDERS:
            if not spec.hardened and not any(f"{folder}/".startswith(target) for target in covered):
                self.place = f"{folder}/.buildr-result-{uuid4().hex}"
                return spec
        raise ContainerError(
            "there is no place for a result in the container: the engine runs on another machine,"
            " and the container's root is read-only or covered by mounts",
            hint=f"Leave hardened out, or mount at other places than /tmp, /var/tmp and {APP}.",
        )

    def fetch(self, backend: Containers, container: str) -> None:
        """Fetch the result, where it has to be fetched; before the container is removed.

        Raises:
            EngineError: the engine does not give it.
        """
        if self._mounted:
            return
        for left in reversed(range(_TRIES)):
            self._fetched = self._member(backend, container)
            if self._fetched or not left:
                return
            time.sleep(_PAUSE_SECONDS)

    def _member(self, backend: Containers, container: str) -> bytes:
        from buildr.archive.chunks import closing
        from buildr.archive.reader import ArchiveError, TarReader

        archive = bytearray()
        try:
            with closing(backend.get_archive(container, self.place)) as chunks:
                for chunk in chunks:
                    archive += chunk
                    if len(archive) > self._most + _AROUND:
                        return b"."  # too much of it: no answer
        except EngineError as error:
            if error.status != _NOT_THERE:
                raise
            return b""
        try:
            reader = TarReader((bytes(archive),))
            found = next(iter(reader), None)
            content = reader.read(self._most) if found is not None and found.is_file else None
        except ArchiveError:
            return b""
        return content or b""

    def read(self) -> bytes:
        """Return what the guest wrote, up to the limit; empty if it wrote nothing."""
        return self._fetched if self._pipe is None else self._pipe.read()


class _Pipe:
    """Reads a FIFO while the guest runs, until more comes than may.

    Args:
        path: of the FIFO.
        most: bytes that are kept, and one more.
    """

    def __init__(self, path: str, most: int) -> None:
        # For writing, too: that never waits for a writer, and no writer's end is the end.
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._most = most
        self._held = bytearray()
        self._ended, self._end = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._follow, name="buildr-result", daemon=True)
        self._thread.start()

    def read(self) -> bytes:
        """Return all that was written, once writing has ended."""
        self._stop()
        while self._take():
            pass
        return bytes(self._held)

    def close(self) -> None:
        """Close it."""
        self._stop()
        for file in (self._file, self._ended, self._end):
            if file >= 0:
                os.close(file)
        self._file = self._ended = self._end = -1

    def _stop(self) -> None:
        if self._thread.is_alive():
            os.write(self._end, b".")
            self._thread.join()

    def _follow(self) -> None:
        import select

        block_signals()
        while self._ended not in select.select((self._file, self._ended), (), ())[0]:
            if not self._take():
                return

    def _take(self) -> bool:
        """Read what is available; return whether there may be more."""
        if self._file < 0:
            return False
        try:
            self._held += os.read(self._file, min(_BUFFER, self._most + 1 - len(self._held)))
        except BlockingIOError:
            return False
        if len(self._held) <= self._most:
            return True
        os.close(self._file)  # further writes fail with EPIPE
        self._file = -1
        return False
