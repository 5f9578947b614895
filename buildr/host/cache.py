"""Small files that make a later run quicker, and that no run needs.

They are in ``$XDG_CACHE_HOME/buildr`` (``~/.cache/buildr``). Each is written whole beside its place and then renamed
(rename(2) is atomic), carries a digest of what is in it, and is taken for absent when anything about it is odd:
damaged, cut off, of another user, or writable by others. Where nothing can be written, nothing is kept; nor where the folder is
not this user's alone (see `buildr.host.private_folders`).
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
_MOST_BYTES = 1 << 28  # no file of ours comes near; a larger one is not ours
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# From `key`; while it is written with the process that does so, its start, and a time.
_NAME = re.compile(r"[0-9a-f]{32}(?:\.(\d+-\d+-[0-9a-f]+))?", re.ASCII)
_UNUSED_SECONDS = 60 * 24 * 3600  # after which a file is removed


def directory() -> str:
    """Return the path of the folder, which may not exist, and may be impossible to create."""
    return base_directory("XDG_CACHE_HOME", "~/.cache")


def lock_directory(kind: str = "", *, make: bool = False) -> str | None:
    """Return the path of a folder of this user's for locks, which are needed also where nothing can be cached.

    Args:
        kind: a folder in it; empty: itself.
        make: whether it is made if need be.

    Returns:
        Of the cache's folder, or else where files of running programs go; ``None`` where neither is available.
    """
    top = first_of((directory(), *runtime_folders()), make=make)
    return top and first_of((f"{top}/{kind}",), make=make) if kind else top


def key(*parts: str) -> str:
    """Return a file name for some texts."""
    text = "\0".join(parts)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


def load(kind: str, name: str) -> list[memoryview] | None:
    """Return what was stored, in the same parts; ``None`` where there is nothing that can be trusted.

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
            os.utime(file)  # how `store` knows what is in use
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
    """Store something, if that is possible.

    Args:
        kind: the folder in the cache.
        name: from `key`.
        parts: what `load` gives back.
    """
    body = msgspec.msgpack.encode(parts)
    data = b"".join((_MAGIC, hashlib.sha256(body).digest(), body))
    with contextlib.suppress(OSError), _folder(kind, make=True) as folder:
        is_new = not _exists(name, folder)
        _write_whole(folder, name, data)
        if is_new:  # seldom enough for a look at the others
            _remove_unused(folder)


@contextlib.contextmanager
def _folder(kind: str, *, make: bool = False) -> Iterator[int]:
    """Open a folder of the cache.

    Raises:
        OSError: it is not there, or not this user's alone.
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
    """Whether a file is of a process that was killed before it had written it."""
    pid, start, _ = writer.split("-")
    return start_time(pid) != start


def _remove_unused(folder: int) -> None:
    """Remove our own files that have not been read for two months, or that a killed run has left half-written."""
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
    """Whether a file begins like those that are written here; a half-written one may lack the beginning."""
    file = os.open(name, _READ, dir_fd=folder)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        head = os.read(file, len(_MAGIC))
    finally:
        os.close(file)
    return head == _MAGIC or ("." in name and _MAGIC.startswith(head))
