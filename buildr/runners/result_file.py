"""How a result comes back, apart from standard output and error, and after the container's end.

A file of the host's is mounted into the container, and the guest writes into it: that costs no request, works with a
read-only root, and whatever becomes of the container the file stays. It belongs to this one call and lies in a folder that
only the user can enter. An engine that sees other files than this process has a file in the container instead, which is
fetched as an archive when the guest has ended, which takes 0.04 to 0.09 s (docs/decisions.md).
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from msgspec.structs import replace

from buildr.engines.container_spec import MountSpec
from buildr.errors import ContainerError, EngineError
from buildr.host import temporary
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


class Channel:
    """The way of one result; a context manager.

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

    def __enter__(self) -> Self:
        """Make the file."""
        if self._mounted:
            self._folder = self._stack.enter_context(temporary.folder())
            # Any user that the guest runs as may write; nothing else reaches this folder.
            os.close(os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            os.chmod(self._file, 0o666)  # noqa: S103 - the folder is the user's alone
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the file."""
        self._stack.close()

    @property
    def _file(self) -> str:
        return os.path.join(self._folder, "result")

    @staticmethod
    def is_named_in(text: str) -> bool:
        """Whether an engine speaks of a result's file, which it does where it does not find it."""
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
            hint="Leave hardened out, or mount at other places than /tmp, /var/tmp and /app.",
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
        import io
        import tarfile

        archive = bytearray()
        try:
            for chunk in backend.get_archive(container, self.place):
                archive += chunk
                if len(archive) > self._most + tarfile.RECORDSIZE:
                    return b"."  # too much of it: no answer
        except EngineError as error:
            if error.status != _NOT_THERE:
                raise
            return b""
        try:
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
                member = tar.next()
                file = tar.extractfile(member) if member is not None and member.isreg() else None
                return file.read() if file else b""
        except (tarfile.TarError, EOFError):
            return b""

    def read(self) -> bytes:
        """Return what the guest wrote, as far as it may be that large; empty where it wrote nothing."""
        if not self._mounted:
            return self._fetched
        with open(self._file, "rb") as file:
            return file.read(self._most + 1)
