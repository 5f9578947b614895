"""Published ports: ``8080``, ``"8080:80"``, ``"127.0.0.1:8080:80/udp"``, ranges, ``"[::1]:80:80"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast

import msgspec
from msgspec import Struct

from buildr.options.errors import InvalidValueError
from buildr.options.values import each, text, typed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "EVERY_INTERFACE",
    "LOOPBACK",
    "Port",
    "bound",
    "debug_port",
    "is_local",
    "published_ports",
]

LOOPBACK = "127.0.0.1"
DEBUG_PORT = 5678
"""Where debuggers of Python usually listen."""
EVERY_INTERFACE = ""
"""What both engines take for every address of the host, IPv4 and IPv6."""

_UNBOUND = "*"
_MOST = 65535
_PROTOCOLS = ("tcp", "udp", "sctp")
_ACCEPTS = (
    '8080, "8080:80" (host:container), "127.0.0.1:8080:80/udp", "[::1]:8080:80", '
    'a range "8000-8002:9000-9002"; ports are 1 to 65535, and 0 on the host lets the engine choose'
)
_LIST = f"a list of ports, or a dict {{container: host}}; each {_ACCEPTS}"
_DEBUG = 'a port of this host, 5678 or "127.0.0.1:5678"; 0 lets the engine choose'
_RANGE = r"([0-9]{1,5})(?:-([0-9]{1,5}))?"


class Port(Struct, frozen=True):
    """One published port.

    Attributes:
        host_ip: the address of the host that it is bound to; empty: every address.
        host: the port of the host; 0: the engine chooses.
        container: the port inside the container.
        protocol: ``tcp``, ``udp`` or ``sctp``.
    """

    host_ip: str
    host: int
    container: int
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"

    @property
    def everywhere(self) -> bool:
        """Whether it is bound to every address of the host, or of one family."""
        return self.host_ip in (EVERY_INTERFACE, "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to

    @property
    def bracketed_ip(self) -> str:
        """The address of the host as it is written before a port: ``[::1]``."""
        return f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip

    @property
    def address(self) -> str:
        """Where it is reached on the host: ``127.0.0.1:8080``; the port alone where that is every address."""
        return ":".join(filter(None, (self.bracketed_ip, str(self.host))))

    def __str__(self) -> str:
        """Return it as it may be written: ``127.0.0.1:8080:80/tcp``."""
        return f"{self.address}:{self.container}/{self.protocol}"


def published_ports(value: object) -> tuple[Port, ...]:
    """Read the option ``ports``; `bound` completes what it returns.

    Raises:
        InvalidValueError: it is not a list or dict of ports, or an item is not a port.
    """
    if isinstance(value, Mapping):
        lists = [_pair(container, host) for container, host in value.items()]
    else:
        lists = each(value, _ports, _LIST)
    return tuple(port for ports in lists for port in ports)


def debug_port(value: object) -> Port:
    """Read the option ``debug``: a port of this host, with an address or without.

    Raises:
        InvalidValueError: it is not a port.
    """
    if isinstance(value, Port):
        return _checked(value)
    given = value if isinstance(value, str) else typed(value, int, _DEBUG)
    match = re.fullmatch(r"(?:(.+):)?([0-9]{1,5})", str(given), re.ASCII)
    if match is None or int(match[2]) > _MOST:
        raise InvalidValueError(value, _DEBUG)
    address = match[1] or LOOPBACK
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    try:
        ip = _address(address, value)
    except InvalidValueError as error:
        raise InvalidValueError(value, _DEBUG, problem=error.problem) from None
    return Port(ip, int(match[2]), int(match[2]) or DEBUG_PORT)


def is_local(port: Port) -> bool:
    """Whether no address is given, or one that only this host reaches; ``public`` is another matter.

    Args:
        port: of `published_ports` or `debug_port`.
    """
    ip = port.host_ip
    return ip in (_UNBOUND, "::1") or ip.startswith("127.")


def bound(ports: Iterable[Port], default_ip: str) -> tuple[Port, ...]:
    """Bind the ports that were given without an address.

    Args:
        ports: what `published_ports` returned.
        default_ip: `LOOPBACK` or `EVERY_INTERFACE`.

    Returns:
        The ports, each once.

    Raises:
        InvalidValueError: one port of the host is published for two of the container.
    """
    found: dict[Port, None] = {}
    for port in ports:
        known = port
        if port.host_ip == _UNBOUND:
            known = msgspec.structs.replace(port, host_ip=default_ip)
        if known in found:
            continue
        if any(_collide(known, other) for other in found):
            problem = "one port of the host cannot be published for two of the container"
            raise InvalidValueError(f"{known.host}:{known.container}", _ACCEPTS, problem=problem)
        found[known] = None
    return tuple(found)


def _collide(one: Port, other: Port) -> bool:
    same = one.host and (one.host, one.protocol) == (other.host, other.protocol)
    return bool(same) and (one.host_ip == other.host_ip or one.everywhere or other.everywhere)


def _pair(container: object, host: object) -> list[Port]:
    """Read an item of the dict form; the host's side may be ``None``, which lets the engine choose."""
    try:
        for side in (container, host):
            if side is not None and not isinstance(side, str):
                typed(side, int, _ACCEPTS)
        return _ports(f"{0 if host is None else host}:{container}")
    except (InvalidValueError, ValueError):  # an int of thousands of digits has no text
        raise InvalidValueError({container: host}, _ACCEPTS) from None


def _ports(value: object) -> list[Port]:
    if isinstance(value, Port):
        return [_checked(value)]
    if isinstance(value, str):
        return _parsed(text(value, _ACCEPTS))
    number = typed(value, int, _ACCEPTS)
    if not 1 <= number <= _MOST:
        raise InvalidValueError(value, _ACCEPTS)
    return [Port(_UNBOUND, int(number), int(number))]


def _checked(port: Port) -> Port:
    """Check a port that was given as an object."""
    host = typed(port.host, int, "0 to 65535")
    container = typed(port.container, int, "1 to 65535")
    ip = text(port.host_ip, "an IP address, or empty")
    if ip not in {EVERY_INTERFACE, _UNBOUND}:
        ip = _address(ip, port)
    if not (0 <= host <= _MOST and 1 <= container <= _MOST) or port.protocol not in _PROTOCOLS:
        raise InvalidValueError(port, _ACCEPTS)
    return Port(ip, int(host), int(container), port.protocol)


def _parsed(given: str) -> list[Port]:
    rest, slash, protocol = given.partition("/")
    if not slash:
        protocol = "tcp"
    if protocol not in _PROTOCOLS:
        problem = f"the protocol is one of {', '.join(_PROTOCOLS)}"
        raise InvalidValueError(given, _ACCEPTS, problem=problem)
    ip = _UNBOUND
    if rest.startswith("["):
        address, bracket, rest = rest[1:].partition("]:")
        if not bracket or rest.count(":") != 1:
            raise InvalidValueError(given, _ACCEPTS)
        ip = _address(address, given)
    elif rest.count(":") == 2:
        address, _, rest = rest.partition(":")
        ip = _address(address, given)
    host_text, colon, container_text = rest.rpartition(":")
    container = _range(container_text, given)
    if not colon:
        host = container
    elif not host_text and ip != _UNBOUND:
        host = range(1)
    else:
        host = _range(host_text, given)
    if container[0] == 0:
        raise InvalidValueError(given, _ACCEPTS, problem="a container has no port 0")
    hosts = [0] * len(container) if host == range(1) else list(host)
    if len(hosts) != len(container):
        raise InvalidValueError(
            given, _ACCEPTS, problem="the two ranges are not of the same length"
        )
    kind = cast('Literal["tcp", "udp", "sctp"]', protocol)
    return [Port(ip, one, other, kind) for one, other in zip(hosts, container, strict=True)]


def _range(part: str, given: str) -> range:
    match = re.fullmatch(_RANGE, part, re.ASCII)
    if match is None:
        raise InvalidValueError(given, _ACCEPTS)
    first = int(match[1])
    last = int(match[2] or first)
    if first > last:
        raise InvalidValueError(given, _ACCEPTS, problem="the range ends before it begins")
    if last > _MOST or (first == 0 and match[2]):
        raise InvalidValueError(given, _ACCEPTS)
    return range(first, last + 1)


def _address(address: str, given: object) -> str:
    """Return an IP address in its canonical form."""
    from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

    family = AF_INET6 if ":" in address else AF_INET
    try:
        return inet_ntop(family, inet_pton(family, address))
    except (OSError, ValueError):
        raise InvalidValueError(
            given, _ACCEPTS, problem="the address is not an IP address"
        ) from None
