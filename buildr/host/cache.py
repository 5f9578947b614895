"""Small files that make a later run quicker, and that no run needs.

They lie in ``$XDG_CACHE_HOME/buildr`` (``~/.cache/buildr``). Each is written whole beside its place and then renamed
(rename(2) is atomic), carries a digest of what is in it, and is taken for absent when anything about it is odd:
damaged, cut off, of another user, or writable by others. Where nothing can be written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time

import msgspec

from buildr.host.process import start_time

_MAGIC = b"buildr cache 1\n"
_DIGEST_BYTES = 32
_HEAD_BYTES = len(_MAGIC) + _DIGEST_BYTES
_MOST_BYTES = 1 << 28  # no file of ours comes near; a larger one is none
_UNUSED_SECONDS = 60 * 24 * 3600  # after which a file is removed


def directory() -> str:
    """Return the path of the folder; it need not be there, nor be one that can be.

    A relative path in the variable is to be ignored: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not cache.startswith("/"):
        cache = os.path.expanduser("~/.cache")
    return f"{cache}/buildr"


def make_directory(kind: str = "") -> str:
    """Return the path of the folder, or of one in it, made if need be.

    Raises:
        OSError: it cannot be made.
    """
    path = os.path.join(directory(), kind).rstrip("/")
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def key(*parts: str) -> str:
    """Return a file name that stands for some texts."""
    text = "\0".join(parts)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


def load(kind: str, name: str) -> list[memoryview] | None:
    """Return what was stored, in the same parts; ``None`` where there is nothing that can be trusted.

    Args:
        kind: the folder in the cache.
        name: from `key`.
    """
    try:
        file = os.open(f"{directory()}/{kind}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
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
    """Keep something; where that cannot be done, do not.

    Args:
        kind: the folder in the cache.
        name: from `key`.
        parts: what `load` gives back.
    """
    body = msgspec.msgpack.encode(parts)
    temporary = None
    try:
        folder = make_directory(kind)
        path = f"{folder}/{name}"
        is_new = not os.path.lexists(path)
        temporary = f"{path}.{os.getpid()}-{start_time('self')}-{time.monotonic_ns():x}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        file = os.open(temporary, flags, 0o600)
        try:
            _write(file, b"".join((_MAGIC, hashlib.sha256(body).digest(), body)))
        finally:
            os.close(file)
        os.rename(temporary, path)
        temporary = None
        if is_new:  # seldom enough for a look at the others
            _remove_unused(folder)
    except OSError:
        pass
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _is_half_written(name: str) -> bool:
    """Whether a file is of a process that was killed before it had written it."""
    _, _, writer = name.partition(".")
    pid, start, _ = (*writer.split("-"), "", "")[:3]
    return bool(start) and start_time(pid) != start


def _remove_unused(folder: str) -> None:
    """Remove what nobody has read for two months, and what a killed run has left half-written."""
    before = time.time() - _UNUSED_SECONDS
    with os.scandir(folder) as found:
        for item in found:
            with contextlib.suppress(OSError):
                unused = item.stat(follow_symlinks=False).st_mtime < before
                if unused or _is_half_written(item.name):
                    os.unlink(item.path)
