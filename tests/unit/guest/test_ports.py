"""Published ports whose servers listen on loopback alone: run here, on this machine's own addresses."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from buildr.guest import gate, init, ports
from tests.unit.processes import SECONDS, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

INIT = init.__file__


def listening(family: socket.AddressFamily, address: str, port: int = 0) -> socket.socket:
    try:
        both = address.startswith("::ffff:")  # an address of IPv4 on a socket of IPv6
        return socket.create_server((address, port), family=family, dualstack_ipv6=both)
    except OSError as error:  # of IPv6, which a machine may lack
        pytest.skip(f"{address}: {error}")


@pytest.mark.parametrize(
    ("family", "address", "unreachable"),
    [
        (socket.AF_INET, "127.0.0.1", True),
        (socket.AF_INET, "127.1.2.3", True),
        (socket.AF_INET, "0.0.0.0", False),
        (socket.AF_INET6, "::1", True),
        (socket.AF_INET6, "::", False),
        (socket.AF_INET6, "::ffff:127.0.0.1", True),
    ],
)
def test_a_server_on_loopback_only_is_told_from_others(
    family: socket.AddressFamily, address: str, *, unreachable: bool
) -> None:
    with listening(family, address) as server:
        port = server.getsockname()[1]
        found = ports._on_loopback_alone({port, 1}, ())
        assert found == ({port: address.removeprefix("::ffff:")} if unreachable else {})
        assert port in ports.listening()[unreachable]


def test_a_server_on_other_addresses_too_is_reachable() -> None:
    with listening(socket.AF_INET, "127.0.0.1") as server:
        port = server.getsockname()[1]
        with listening(socket.AF_INET, "127.0.0.2", port):
            assert set(ports._on_loopback_alone({port}, ())) == {port}
        with listening(socket.AF_INET6, "::", port):
            assert ports._on_loopback_alone({port}, ()) == {}


def test_the_addresses_of_a_container_are_those_of_its_interfaces() -> None:
    for address in ports.own_addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.create_server((address, 0), family=family):  # only an own address can be bound
            assert not ports.is_loopback(address)


def test_a_server_that_is_unreachable_from_outside_is_reported_once(tmp_path: Path) -> None:
    program = "import signal; print('ready', flush=True); signal.pause()"
    with listening(socket.AF_INET, "127.0.0.1") as known:
        port = known.getsockname()[1]
        environ = {init.PUBLISHED: f"1,{port}"}
        command = ("-IS", INIT, "python3", "-c", program)
        with running(*command, cwd=tmp_path, env=environ) as process:
            assert process.stderr is not None
            reported = process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 128 + signal.SIGTERM
            assert process.stderr.read() == b""
    assert reported.startswith(b"buildr: port %d is published, but" % port)
    assert reported.endswith(b"let it listen on 0.0.0.0\n")


# The relay ----------------------------------------------------------------------------------------

OWN = "127.9.9.9"
"""Stands for the container's own address, so that no test depends on this machine's network."""


@pytest.fixture
def relayed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Return what starts a relay of a port."""
    monkeypatch.setattr(ports, "own_addresses", lambda: {OWN})
    monkeypatch.setattr(ports, "is_loopback", lambda address: address in ("127.0.0.1", "::1"))
    end, ours = os.pipe()
    threads: list[threading.Thread] = []

    def start(port: int) -> None:
        words = ({port}, gate.pass_on, end)
        threads.append(threading.Thread(target=ports.relay, args=words))
        threads[-1].start()

    yield start
    os.close(ours)
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
    os.close(end)


def reached(port: int) -> socket.socket:
    """Return a connection to the container's own address, as soon as something listens there."""
    event = threading.Event()
    for _ in range(int(SECONDS / 0.05)):
        try:
            return socket.create_connection((OWN, port), SECONDS)
        except OSError:
            event.wait(0.05)
    pytest.fail("nothing listens there")


def answer_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.makefile("rb").read().upper())


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_connections_are_passed_on_with_all_data_and_both_ends(
    relayed: Callable[[int], None], family: socket.AddressFamily, address: str
) -> None:
    with listening(family, address) as server:
        port = server.getsockname()[1]
        relayed(port)
        threading.Thread(target=answer_once, args=(server,), daemon=True).start()
        with reached(port) as connection:
            connection.sendall(b"x" * 1_000_000)
            connection.shutdown(socket.SHUT_WR)
            assert connection.makefile("rb").read() == b"X" * 1_000_000


def test_a_server_that_moves_to_all_addresses_finds_its_port_free(
    relayed: Callable[[int], None],
) -> None:
    with listening(socket.AF_INET, "127.0.0.1") as server:
        port = server.getsockname()[1]
        relayed(port)
        reached(port).close()
    event = threading.Event()
    for _ in range(int(SECONDS / 0.05)):
        try:
            server = socket.create_server(("0.0.0.0", port))
            break
        except OSError:
            event.wait(0.05)  # until the relay has seen that the server has gone
    else:
        pytest.fail("the relay keeps the port")
    with server:
        threading.Thread(target=answer_once, args=(server,), daemon=True).start()
        with reached(port) as connection:
            connection.sendall(b"direct")
            connection.shutdown(socket.SHUT_WR)
            assert connection.makefile("rb").read() == b"DIRECT"


def test_no_address_is_taken_from_a_server_that_listens_there(
    relayed: Callable[[int], None],
) -> None:
    with listening(socket.AF_INET, "127.0.0.1") as server:
        port = server.getsockname()[1]
        with listening(socket.AF_INET, OWN, port) as other:
            relayed(port)
            threading.Thread(target=answer_once, args=(other,), daemon=True).start()
            with reached(port) as connection:
                connection.sendall(b"own")
                connection.shutdown(socket.SHUT_WR)
                assert connection.makefile("rb").read() == b"OWN"
