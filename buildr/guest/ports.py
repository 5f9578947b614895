"""Looks after the published TCP ports of a container, in a process of its own beside the command.

A published port leads to the container's own addresses, and many servers listen on its loopback address alone unless they are told
otherwise: uvicorn, Flask, Django, Gradio. Connections to such a port are passed on to them, or it is said that they cannot be reached.

What listens for these connections has each of the container's own addresses, and only as long as nothing but loopback is listened
on: a server that listens on all addresses finds its port free.

`buildr.guest.init` loads it by its file name, which is why it imports nothing of the package.
"""

from __future__ import annotations

import select
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, Set, Tuple

    Address = Tuple[str, int]

_MAPPED = b"\0" * 10 + b"\xff\xff"  # how IPv6 writes an IPv4 address (RFC 4291, 2.5.5.2)
_BACKLOG = 128

# Seconds from one look at the listening sockets to the next, while something has changed a short while ago, and later.
_SOON, _LATER = 0.1, 0.5
_SHORT_WHILE = 30

# When to look where nothing is passed on, in seconds from the last look: a server that starts slowly is seen, too.
_LOOKS = (0.5, 1, 2, 4, 8, 16)

_UNREACHABLE = (
    "buildr: port %d is published, but the script listens on the container's loopback address, which is"
    " unreachable from outside: let it listen on 0.0.0.0\n"
)


def relay(ports: Set[int], pass_on: Callable[[socket.socket, Address], object], end: int) -> None:
    """Pass connections to ports on to what listens on them on loopback alone.

    Args:
        ports: the published ones.
        pass_on: connects an accepted connection to an address, in the background.
        end: a descriptor that can be read when the command has ended.
    """
    relays: Dict[Address, socket.socket] = {}
    before: Dict[int, str] = {}
    refused: Set[int] = set()
    goes_on, changed = True, time.monotonic()
    while goes_on:
        found = _on_loopback_alone(ports - refused, relays)
        # Seen twice: a server may be about to listen on another address, too.
        targets = {port: at for port, at in found.items() if before.get(port) == at}
        if found != before:
            changed = time.monotonic()
        before = found
        refused |= _adjust(relays, targets)
        pause = _SOON if time.monotonic() - changed < _SHORT_WHILE else _LATER
        goes_on = _accept(relays, targets, pass_on, end, pause)
    for listener in relays.values():
        listener.close()


def report(ports: Set[int], end: int) -> None:
    """Say once of each port that is listened on on loopback alone that it cannot be reached."""
    for seconds in _LOOKS:
        if select.select([end], (), (), seconds)[0]:
            return
        for port in sorted(_on_loopback_alone(ports, ())):
            _say(port)
            ports.discard(port)


def _say(port: int) -> None:
    sys.stderr.write(_UNREACHABLE % port)
    sys.stderr.flush()


def _adjust(relays: Dict[Address, socket.socket], targets: Dict[int, str]) -> Set[int]:
    """Listen for what has a target, and no longer for what has none; return the ports that cannot be listened on."""
    wanted = {(own, port) for own in (own_addresses() if targets else ()) for port in targets}
    for key in set(relays) - wanted:
        relays.pop(key).close()
    refused: Set[int] = set()
    for own, port in sorted(wanted - set(relays)):
        listener = socket.socket(socket.AF_INET6 if ":" in own else socket.AF_INET)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((own, port))
            listener.listen(_BACKLOG)
            listener.settimeout(0)
        except PermissionError:
            listener.close()
            if port not in refused:
                _say(port)
            refused.add(port)
        except OSError:
            listener.close()  # the next look tries again
        else:
            relays[own, port] = listener
    return refused


def _accept(
    relays: Dict[Address, socket.socket],
    targets: Dict[int, str],
    pass_on: Callable[[socket.socket, Address], object],
    end: int,
    seconds: float,
) -> bool:
    """Accept connections for a while; return whether the command goes on."""
    poll = select.poll()
    poll.register(end, select.POLLIN)
    by_number = {listener.fileno(): (listener, key[1]) for key, listener in relays.items()}
    for number in by_number:
        poll.register(number, select.POLLIN)
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        ready = poll.poll(left * 1000) if left > 0 else []
        if not ready:
            return True
        for number, _ in ready:
            if number == end:
                return False
            listener, port = by_number[number]
            try:
                connection, _ = listener.accept()
            except OSError:
                continue  # it has gone again
            try:
                pass_on(connection, (targets[port], port))
            except RuntimeError:  # no more threads are allowed
                connection.close()


def _on_loopback_alone(ports: Set[int], own: Any) -> Dict[int, str]:
    """Return those of the ports that are listened on at loopback addresses alone, each with one of these.

    Args:
        ports: the ports.
        own: the addresses, with their ports, that this process listens on.
    """
    reached: Set[int] = set()
    found: Dict[int, str] = {}
    for address, port in listeners():
        if port in ports and (address, port) not in own:
            if is_loopback(address):
                found.setdefault(port, address)
            else:
                reached.add(port)
    return {port: address for port, address in found.items() if port not in reached}


def listening() -> Tuple[Set[int], Set[int]]:
    """Return the TCP ports that are listened on at an address that is reachable from outside, and at a loopback one."""
    reached: Set[int] = set()
    found: Set[int] = set()
    for address, port in listeners():
        (found if is_loopback(address) else reached).add(port)
    return reached, found


def listeners() -> Iterator[Address]:
    """Yield the address and the port of each TCP socket that listens."""
    for name in ("tcp", "tcp6"):
        # proc(5): sl, local_address as hexadecimal words in host byte order, rem_address, state, ...
        for line in _lines("/proc/net/" + name)[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == "0A":  # listens
                address, _, port = fields[1].partition(":")
                words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
                packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
                yield _text(packed), int(port, 16)


def own_addresses() -> Set[str]:
    """Return the addresses of the container that others reach it by."""
    found: Set[str] = set()
    address = ""
    # Leaves of the tree are |-- ADDRESS, and below each is what it is.
    for line in _lines("/proc/net/fib_trie"):
        fields = line.split()
        if fields[:1] == ["|--"]:
            address = fields[1]
        elif fields == ["/32", "host", "LOCAL"]:
            found.add(address)
    for line in _lines("/proc/net/if_inet6"):
        # Address, interface, length, scope (0: global), flags (0x40: tentative), name.
        fields = line.split()
        if len(fields) > 5 and fields[3] == "00" and not int(fields[4], 16) & 0x40:
            found.add(_text(bytes.fromhex(fields[0])))
    return {address for address in found if not is_loopback(address)}


def is_loopback(address: str) -> bool:
    """Whether an address is reached from the container alone."""
    return address.startswith("127.") or address == "::1"


def _text(packed: bytes) -> str:
    if packed[:-4] == _MAPPED:
        packed = packed[-4:]
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read(1 << 20).splitlines()
    except OSError:
        return []
