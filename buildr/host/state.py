"""The identity of this user on this machine: a random key in ``$XDG_STATE_HOME/buildr`` (``~/.local/state/buildr``), and what is derived from it.

Users and machines may share engines, and machines may share home directories. So the identity is made of both: the key,
which no other user can read, and the machine's id (machine-id(5)). If no key can be stored (a read-only home), it is
only the machine's id.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat

from buildr.host import private_folders

_KEY = "key"
_KEY_BYTES = 32
_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_MACHINE_ID_BYTES = 32  # together they have the maximum length of a BLAKE2 key
_DIGEST_BYTES = 16


def directory() -> str:
    """Return the path of the folder, which need not exist."""
    return private_folders.base_directory("XDG_STATE_HOME", "~/.local/state")


def machine() -> str:
    """Return a public name for this user on this machine; empty if there is none."""
    return proof("machine")


def proof(*texts: str) -> str:
    """Return a digest of texts that only this user on this machine can make; empty where it would be no proof.

    It needs the key: without one, every user of this machine could make it.
    """
    secret = _secret(directory())
    if not secret:
        return ""
    text = "\0".join(texts).encode(errors="surrogateescape")
    return hashlib.blake2b(text, key=secret, digest_size=_DIGEST_BYTES).hexdigest()


@functools.cache
def _secret(folder: str) -> bytes:
    return (_key(folder) or b"") + _machine_id()


def _key(folder: str) -> bytes | None:
    """Return the key, created if necessary; ``None`` if it cannot be stored or others might know it."""
    path = f"{folder}/{_KEY}"
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    except OSError:
        return None
    try:
        os.close(private_folders.make_folder(folder))
        _make(path)
        return _read(path)
    except OSError:
        return None


def _read(path: str) -> bytes | None:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        if not is_ours or found.st_mode & 0o077:
            return None
        data = os.read(file, _KEY_BYTES + 1)
    finally:
        os.close(file)
    return data if len(data) == _KEY_BYTES else None


def _make(path: str) -> None:
    """Create a key atomically, unless another process is faster."""
    temporary = f"{path}.{os.urandom(8).hex()}"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, os.urandom(_KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.close(file)
        os.unlink(temporary)


def _machine_id() -> bytes:
    for path in _MACHINE_IDS:
        with contextlib.suppress(OSError), open(path, "rb") as file:
            # Missing or "uninitialized": machine-id(5).
            if len(found := file.read(2 * _MACHINE_ID_BYTES).strip()) == _MACHINE_ID_BYTES:
                return found
    return b""
