"""Accepts connections to a port only from the container's host, since debuggers have no password.

An engine of root gives a container an address that other machines can reach where the host forwards packets, and other containers
in any case. What comes from the host by the published port has the address of the host in the container's network: the gateway.

Usage: python gate.py PORT < TARGET
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Set, Tuple

_BUFFER = 1 << 16
_ROUTES = "/proc/net/route"
_UP = 0x1  # RTF_UP of route(8)


def main(port: int) -> None:
    """Listen, report that by a line on standard output, and go on in the background."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104 - who may come in is decided below
    listener.listen(8)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    if os.fork():
        os._exit(0)  # so that it is not a child of the script
    with open(_ROUTES, encoding="ascii") as file:
        allowed = hosts(file)
    target = int(sys.stdin.readline())
    while True:
        connection, (address, *_) = listener.accept()
        if address in allowed:
            pass_on(connection, ("127.0.0.1", target))
        else:
            connection.close()


def hosts(routes: Iterable[str]) -> Set[str]:
    """Return the addresses of the host in the networks of the container, as proc(5) lists routes: gateways, else the first ones."""
    found = {"127.0.0.1"}
    for line in routes:
        fields = line.split()
        if len(fields) < 8 or not fields[3].isdigit():
            continue  # the heading
        network, gateway, flags, mask = (int(fields[at], 16) for at in (1, 2, 3, 7))
        if flags & _UP:
            address = gateway or (network + struct.unpack("=I", socket.inet_aton("0.0.0.1"))[0])
            if gateway or mask:
                found.add(socket.inet_ntoa(struct.pack("=I", address & 0xFFFFFFFF)))
    return found


def pass_on(connection: socket.socket, target: Tuple[str, int]) -> None:
    """Connect it to an address of the container, in the background.

    Raises:
        RuntimeError: no more threads are allowed.
    """
    threading.Thread(target=_both_ways, args=(connection, target), daemon=True).start()


def _both_ways(one: socket.socket, target: Tuple[str, int]) -> None:
    with one:
        try:
            other = socket.create_connection(target)
        except OSError:
            return
        _join(one, other)


def _join(one: socket.socket, other: socket.socket) -> None:
    with other:
        back = threading.Thread(target=_pump, args=(other, one), daemon=True)
        back.start()
        _pump(one, other)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while True:
            data = source.recv(_BUFFER)
            if not data:
                break
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):  # what reads or writes there ends, too
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


if __name__ == "__main__":
    main(int(sys.argv[1]))
