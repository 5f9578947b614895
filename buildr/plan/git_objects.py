"""The commit that a repository of Git has checked out, read from its files: no program runs, so no setting of the repository's does.

Loose objects, and those in packs with an index of version 2, as Git writes them:
https://git-scm.com/docs/pack-format
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BYTES = 1 << 20  # of a commit
_MOST_INDEX_BYTES = 1 << 24  # of the names that begin with one byte
_MOST_DELTAS = 50  # as many as Git makes
_HEAD_BYTES = 32  # of an object in a pack: its kind and size, and where its base is
_NAME = 20  # bytes of a SHA-1
_FAN = 8, 1024  # where the counts by first byte are, and their bytes
_COMMIT, _OFS_DELTA, _REF_DELTA = 1, 6, 7
_COMMITTER = re.compile(rb"^committer [^\n]*> (\d{1,11}) [+-]\d{4}$", re.MULTILINE)
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def commit_time(objects: str, commit: str) -> int | None:
    """Return when a commit was made, in seconds since the epoch; ``None`` where it cannot be read.

    Args:
        objects: the folder of a repository's objects.
        commit: 40 hexadecimal digits.
    """
    with contextlib.suppress(OSError, ValueError, IndexError, zlib.error):
        data = _read(objects, bytes.fromhex(commit), 0)
        name = hashlib.sha1(b"commit %d\0" % len(data) + data, usedforsecurity=False)
        if name.hexdigest() == commit:
            found = _COMMITTER.search(data.partition(b"\n\n")[0])
            return int(found[1]) if found else None
    return None


def _read(objects: str, name: bytes, deltas: int) -> bytes:
    """Return the content of a commit, or of what a commit is a delta of."""
    digits = name.hex()
    with (
        contextlib.suppress(FileNotFoundError),
        _opened(f"{objects}/{digits[:2]}/{digits[2:]}") as file,
    ):
        head, _, data = _inflate(file, 0).partition(b"\0")
        if not head.startswith(b"commit "):
            raise ValueError("not a commit")
        return data
    folder = f"{objects}/pack"
    for index in sorted(os.listdir(folder)):
        if index.endswith(".idx"):
            with _opened(f"{folder}/{index}") as file:
                offset = _find(file, name)
            if offset is not None:
                with _opened(f"{folder}/{index[:-4]}.pack") as file:
                    return _unpack(objects, file, offset, deltas)
    raise ValueError("no such object")


def _find(file: int, name: bytes) -> int | None:
    """Return where an index says that an object is in its pack."""
    if os.pread(file, 8, 0) != b"\xfftOc\x00\x00\x00\x02":
        return None
    counts = os.pread(file, _FAN[1], _FAN[0])
    number = [int.from_bytes(counts[i : i + 4], "big") for i in range(0, _FAN[1], 4)]
    first, last, total = number[name[0] - 1] if name[0] else 0, number[name[0]], number[-1]
    names_at = sum(_FAN)
    if not 0 <= (last - first) * _NAME <= _MOST_INDEX_BYTES:
        return None
    names = os.pread(file, (last - first) * _NAME, names_at + first * _NAME)
    at = names.find(name)
    while at >= 0 and at % _NAME:
        at = names.find(name, at + 1)
    if at < 0:
        return None
    offsets_at = names_at + total * (_NAME + 4)  # behind a checksum of each
    place = offsets_at + (first + at // _NAME) * 4
    offset = int.from_bytes(os.pread(file, 4, place), "big")
    if offset >> 31:  # of a pack above 2 GiB
        place = offsets_at + total * 4 + (offset & 0x7FFFFFFF) * 8
        offset = int.from_bytes(os.pread(file, 8, place), "big")
    return offset


def _unpack(objects: str, pack: int, offset: int, deltas: int) -> bytes:
    """Return the content of an object in a pack."""
    if deltas > _MOST_DELTAS:
        raise ValueError("too many deltas")
    head = os.pread(pack, _HEAD_BYTES, offset)
    kind, at = head[0] >> 4 & 7, 0
    while head[at] & 0x80:
        at += 1
    at += 1
    if kind == _COMMIT:
        return _inflate(pack, offset + at)
    if kind == _OFS_DELTA:
        back = head[at] & 0x7F
        while head[at] & 0x80:
            at += 1
            back = (back + 1) << 7 | head[at] & 0x7F
        base = _unpack(objects, pack, offset - back, deltas + 1)
        return _patched(base, _inflate(pack, offset + at + 1))
    if kind == _REF_DELTA:
        base = _read(objects, head[at : at + _NAME], deltas + 1)
        return _patched(base, _inflate(pack, offset + at + _NAME))
    raise ValueError("not a commit")


def _patched(base: bytes, delta: bytes) -> bytes:
    """Apply a delta: copies of the base and new bytes, in turn."""
    at = 0
    for _ in range(2):  # the sizes before and after
        while delta[at] & 0x80:
            at += 1
        at += 1
    found = b""
    while at < len(delta) and len(found) <= _MOST_BYTES:
        code = delta[at]
        at += 1
        if code & 0x80:
            values = [0] * 7
            for bit in range(7):
                if code >> bit & 1:
                    values[bit] = delta[at]
                    at += 1
            start = int.from_bytes(bytes(values[:4]), "little")
            found += base[start : start + (int.from_bytes(bytes(values[4:]), "little") or 1 << 16)]
        elif code:
            found += delta[at : at + code]
            at += code
        else:
            raise ValueError("not a delta")
    return found


def _inflate(file: int, offset: int) -> bytes:
    stream = zlib.decompressobj()
    found = b""
    while not stream.eof and len(found) <= _MOST_BYTES:
        data = os.pread(file, 1 << 12, offset)
        if not data:
            break
        offset += len(data)
        found += stream.decompress(data, _MOST_BYTES)
    if not stream.eof:
        raise ValueError("larger than a commit is, or cut off")
    return found


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    file = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ValueError("not a regular file")
        yield file
    finally:
        os.close(file)
