"""A cache of small files that make later runs faster.

They are in ``$XDG_CACHE_HOME/buildr`` (``~/.cache/buildr``). Each is written to a temporary name and renamed (rename(2)
is atomic), and contains a digest of its content. A file counts as absent if it is damaged, truncated, another user's,
or writable by others. Nothing is kept if the folder cannot be written or is not private (see
`buildr.host.private_folders`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import time
from typing import TYPE_CHECKING

import msgspec

from buildr.host.private_folders import (
    base_directory,
    first_of,
    make_folder,
    open_folder,
    runtime_folders,
)
from buildr.host.process import start_time

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"buildr cache 1\n"
_DIGEST_BYTES = 32
_HEAD_BYTES = len(_MAGIC) + _DIGEST_BYTES
_MOST_BYTES = 1 << 28  # much larger than any file of ours
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Names from `key`; temporary names include the process, its start time, and a time.
_NAME = re.compile(r"[0-9a-f]{32}(?:\.(\d+-\d+-[0-9a-f]+))?", re.ASCII)
_UNUSED_SECONDS = 60 * 24 * 3600  # after which a file is removed


def directory() -> str:
    """Return the path of the folder, which need not exist."""
    return base_directory("XDG_CACHE_HOME", "~/.cache")


def lock_directory(kind: str = "", *, make: bool = False) -> str | None:
    """Return the path of a folder of this user for locks, which are needed even if nothing can be cached.

    Args:
        kind: a subfolder; empty: the folder itself.
        make: whether to create it if necessary.

    Returns:
        A folder in the cache, or else in the runtime directory; ``None`` if neither is available.
    """
    top = first_of((directory(), *runtime_folders()), make=make)
    return top and first_of((f"{top}/{kind}",), make=make) if kind else top


def key(*parts: str) -> str:
    """Return a file name for some texts."""
    text = "\0".join(parts)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


def load(kind: str, name: str) -> list[memoryview] | None:
    """Return the stored parts; ``None`` if there is no valid file.

    Args:
        kind: the folder in the cache.
        name: from `key`.
    """
    try:
        with _folder(kind) as folder:
            file = os.open(name, _READ, dir_fd=folder)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if not ours or status.st_mode & 0o022 or not _HEAD_BYTES < status.st_size <= _MOST_BYTES:
            return None
        data = memoryview(os.read(file, status.st_size))
        with contextlib.suppress(OSError):
            os.utime(file)  # this tells `store` that the file is in use
    except OSError:
        return None
    finally:
        os.close(file)
    body = data[_HEAD_BYTES:]
    if data[:_HEAD_BYTES] != _MAGIC + hashlib.sha256(body).digest():
        return None
    try:
        return msgspec.msgpack.decode(body, type=list[memoryview])
    except msgspec.DecodeError:
        return None


def store(kind: str, name: str, *parts: bytes) -> None:
    """Store something, if possible.

    Args:
        kind: the folder in the cache.
        name: from `key`.
        parts: the parts that `load` returns.
    """
    body = msgspec.msgpack.encode(parts)
    data = b"".join((_MAGIC, hashlib.sha256(body).digest(), body))
    with contextlib.suppress(OSError), _folder(kind, make=True) as folder:
        is_new = not _exists(name, folder)
        _write_whole(folder, name, data)
        if is_new:  # rare enough to check the other files
            _remove_unused(folder)


@contextlib.contextmanager
def _folder(kind: str, *, make: bool = False) -> Iterator[int]:
    """Open a folder of the cache.

    Raises:
        OSError: it does not exist, or is not private.
    """
    get = make_folder if make else open_folder
    with contextlib.ExitStack() as stack:
        top = get(directory())
        stack.callback(os.close, top)
        folder = get(kind, within=top)
        stack.callback(os.close, folder)
        yield folder


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write_whole(folder: int, name: str, data: bytes) -> None:
    temporary = f"{name}.{os.getpid()}-{start_time('self')}-{time.monotonic_ns():x}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    file = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        try:
            _write(file, data)
        finally:
            os.close(file)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _is_half_written(writer: str) -> bool:
    """Whether a file is a partial one of a killed process."""
    pid, start, _ = writer.split("-")
    return start_time(pid) != start


def _remove_unused(folder: int) -> None:
    """Remove files of ours that have not been read for two months, and partial ones of killed processes."""
    before = time.time() - _UNUSED_SECONDS
    with os.scandir(folder) as found:
        for item in found:
            if (match := _NAME.fullmatch(item.name)) is None:
                continue
            with contextlib.suppress(OSError):
                unused = item.stat(follow_symlinks=False).st_mtime < before
                half = match[1] is not None and _is_half_written(match[1])
                if (unused or half) and _is_ours(item.name, folder):
                    os.unlink(item.name, dir_fd=folder)


def _is_ours(name: str, folder: int) -> bool:
    """Whether a file begins like those written here; a partial one may lack the beginning."""
    file = os.open(name, _READ, dir_fd=folder)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        head = os.read(file, len(_MAGIC))
    finally:
        os.close(file)
    return head == _MAGIC or ("." in name and _MAGIC.startswith(head))
