"""Who is let in to a port of a container that only its host may come to."""

from __future__ import annotations

import socket
import threading

import pytest

from buildr.guest import gate

HEADING = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT"


def route(network: str, gateway: str, mask: str, flags: str) -> str:
    numbers = [
        f"{int.from_bytes(socket.inet_aton(one), 'little'):08X}" for one in (network, gateway)
    ]
    last = f"{int.from_bytes(socket.inet_aton(mask), 'little'):08X}"
    return "\t".join(("eth0", *numbers, flags, "0", "0", "0", last, "0", "0", "0"))


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (
            [
                route("0.0.0.0", "172.17.0.1", "0.0.0.0", "0003"),
                route("172.17.0.0", "0.0.0.0", "255.255.0.0", "0001"),
            ],
            {"127.0.0.1", "172.17.0.1"},
        ),
        (
            [
                route("0.0.0.0", "10.88.0.254", "0.0.0.0", "0003"),
                route("10.89.1.0", "0.0.0.0", "255.255.255.0", "0001"),
            ],
            {"127.0.0.1", "10.88.0.254", "10.89.1.1"},
        ),
        ([route("10.0.0.0", "0.0.0.0", "255.0.0.0", "0000")], {"127.0.0.1"}),
        ([], {"127.0.0.1"}),
    ],
)
def test_the_host_is_the_gateway_of_each_network(routes: list[str], expected: set[str]) -> None:
    assert gate.hosts([HEADING, *routes, "", "garbage"]) == expected


def test_a_connection_is_forwarded_in_both_directions() -> None:
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as target:

        def serve() -> None:
            connection, _ = target.accept()
            with connection, connection.makefile("rb") as file:
                connection.sendall(b"got " + file.read())

        thread = threading.Thread(target=serve)
        thread.start()
        gate.pass_on(theirs, target.getsockname())
        ours.sendall(b"hello")
        ours.shutdown(socket.SHUT_WR)
        assert ours.makefile("rb").read() == b"got hello"
        thread.join()
    ours.close()


def test_a_missing_target_ends_the_connection() -> None:
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    gate.pass_on(theirs, ("127.0.0.1", port))
    assert ours.recv(1) == b""
    ours.close()
