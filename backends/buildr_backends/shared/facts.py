"""Facts that only the engine itself can report: whether it is rootless, and whether it is on this machine.

The owner of its socket does not show that: a forwarded socket, as by ``ssh -L``, belongs to the user who forwards it.
Podman takes a second or more for the answer, which is cached as long as the socket stays the same.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import msgspec

from buildr.errors import BackendError
from buildr.host import cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr_backends.http.client import Client
    from buildr_backends.http.endpoint import Endpoint

_KIND = "engines"
_SECONDS = 20.0  # for the answer
# Prefixes of addresses that an engine of this machine may have.
_LOOPBACK = ("localhost", "127.", "::1")


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """Facts about an engine. The defaults are the cautious answers, for one that does not report them."""

    rootless: bool = False
    remote: bool = False
    """Whether it is on another machine, a virtual one on this host among them."""


def facts_of(client: Client, read: Callable[[Any], Facts]) -> Facts:
    """Return the facts that an engine reports about itself.

    The first time this takes up to 20 s on an engine that is busy; later it costs no request.

    Args:
        client: to the engine, which has answered a ping.
        read: reads its answer to ``/info``.
    """
    endpoint = client.endpoint
    if endpoint.ssh is not None:  # it may be this machine, but another user's view of it
        found = _ask(client, read)
        return Facts(rootless=found.rootless if found else False, remote=True)
    if not endpoint.path:
        near = endpoint.host.startswith(_LOOPBACK)
        return (_ask(client, read) if near else None) or Facts(remote=True)
    name = socket_key(endpoint)
    found = _kept(name) if name else None
    if found is None:
        found = _ask(client, read)
        if found is not None and name:
            cache.store(_KIND, name, msgspec.msgpack.encode(found))
    return found or Facts()


def is_elsewhere(kernel: str, memory: int) -> bool:
    """Whether a machine is certainly not this one: its kernel or the size of its memory differs.

    Args:
        kernel: the release of its kernel.
        memory: the size of its memory in bytes.
    """
    return kernel != os.uname().release or memory != (_memory() or memory)


def _memory() -> int:
    """Return the memory of this machine in bytes, as engines read it (proc(5)); 0: unknown."""
    with contextlib.suppress(OSError, ValueError), open("/proc/meminfo", "rb") as file:
        for line in file:
            if line.startswith(b"MemTotal:"):
                return int(line.split()[1]) << 10
    return 0


def _ask(client: Client, read: Callable[[Any], Facts]) -> Facts | None:
    with contextlib.suppress(BackendError):
        return client.request("GET", "/info", seconds=_SECONDS).json(read)
    return None


def socket_key(endpoint: Endpoint) -> str:
    """Return a key that identifies a socket until it is recreated; empty if there is none."""
    try:
        found = os.stat(endpoint.path)
    except OSError:
        return ""
    identity = (found.st_dev, found.st_ino, found.st_ctime_ns, found.st_uid)
    return cache.key(endpoint.path, *map(str, identity))


def _kept(name: str) -> Facts | None:
    parts = cache.load(_KIND, name)
    if parts is None or len(parts) != 1:
        return None
    try:
        return msgspec.msgpack.decode(parts[0], type=Facts)
    except msgspec.DecodeError:
        return None
