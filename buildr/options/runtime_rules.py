"""The options of the run together: which of them cannot be combined, and which needs another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from buildr.errors import Message, OptionError, OptionName
from buildr.options.errors import InvalidValueError, exclusive
from buildr.options.networks import MODES
from buildr.options.ports import EVERY_INTERFACE, LOOPBACK, Port, bound
from buildr.options.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.options.wait_for import Condition

_ONE = "accepted: one of the two"


def complete_runtime(values: Mapping[str, Any]) -> Runtime:
    """Return the options of the run that valid values make.

    Args:
        values: what `read_runtime` returned, for one place or for several.

    Raises:
        OptionError: one port of the host is published for two of the container, a target is mounted twice, or options cannot
            be combined.
    """
    found = Runtime(**values)
    if found.detach and found.keep:
        why = "a detached container stays anyway, however it ends"
        raise exclusive(_name("detach"), _name("keep"), why, hint=_ONE)
    if found.detach and found.outputs:
        raise exclusive(
            _name("detach"),
            _name("outputs"),
            "nothing waits for the end of a detached run",
            hint=Message("accepted: one of the two; ", _name("mounts"), " keep files, too"),
        )
    mounted = {mount.target for mount in found.mounts}
    for item in found.tmpfs:
        if item.target in mounted:
            what = f" both have the target {item.target}"
            raise OptionError(Message(_name("tmpfs"), " and ", _name("mounts"), what), hint=_ONE)
    network = found.network[0].name if found.network else ""
    if network in MODES:
        for option, given in (("ports", found.ports), ("debug", found.debug)):
            if given:
                mode = Message(_name("network"), f"={network!r}")
                raise exclusive(_name(option), mode, "there is no port to publish", hint=_ONE)
    try:
        ports = bound(found.ports, EVERY_INTERFACE if found.public else LOOPBACK)
    except InvalidValueError as error:
        raise error.of(_name("ports")) from None
    _check_waiting(found.wait_for, ports)
    debug = found.debug
    if debug is not None and any(
        port.protocol == "tcp"
        and (port.container == debug.container or 0 < port.host == debug.host)
        for port in ports
    ):
        what = f" both have the port {debug.host or debug.container}"
        raise OptionError(
            Message(_name("debug"), " and ", _name("ports"), what),
            hint="accepted: another port for one of the two",
        )
    return structs.replace(found, ports=ports)


def _check_waiting(conditions: tuple[Condition, ...], ports: tuple[Port, ...]) -> None:
    published = {port.container for port in ports if port.protocol == "tcp"}
    for condition in conditions:
        if condition.port and condition.port not in published:
            needs = (
                f"={str(condition)!r} needs a port that is published, and {condition.port} is not"
            )
            raise OptionError(
                Message(_name("wait_for"), needs),
                hint=Message(
                    f"Add {condition.port} to ",
                    _name("ports"),
                    f" (0:{condition.port} for any free port here), or",
                    ' wait for a line of its output, "log:REGEX".',
                ),
            )


def _name(option: str) -> OptionName:
    return OptionName(f"runtime.{option}")
