"""Reading what engines report about containers: lists, inspections, health checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.engines.container_spec import Port
from buildr.engines.records import ContainerState
from buildr_backends.shared.find_image import with_algorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildr.engines.records import Health
    from buildr_backends.http.response import Response

_ENDED = ("dead", "exited", "stopped")  # the status of a container that has an exit status
_REMOVED = 2  # the kind of a change
_NEVER = "0001-"  # the year of Go's zero time.Time


def read_containers(rows: Any) -> list[ContainerState]:
    """Read a list of containers. Docker's has no exit status."""
    return [
        ContainerState(
            id=row["Id"],
            status=row.get("State") or "",
            running=row.get("State") == "running",
            exit_code=row.get("ExitCode") if row.get("State") in _ENDED else None,
            labels=row.get("Labels") or {},
            name=_name(row.get("Names") or ()),
            image=_image_id(row.get("ImageID")),
        )
        for row in rows or ()
    ]


def read_changes(rows: Any) -> list[str]:
    """Read the changes in a container, without removals."""
    return [row["Path"] for row in rows or () if row["Kind"] != _REMOVED]


def read_state(found: Any) -> ContainerState:
    """Read a container's inspection, the same fields on both engines."""
    state = found["State"]
    ended = state["Status"] in _ENDED
    bound = (found.get("NetworkSettings") or {}).get("Ports") or {}
    return ContainerState(
        id=found["Id"],
        status=state["Status"],
        running=bool(state.get("Running")),
        started=not str(state.get("StartedAt") or _NEVER).startswith(_NEVER),
        exit_code=state.get("ExitCode", 0) if ended else None,
        error=state.get("Error") or "",
        labels=(found.get("Config") or {}).get("Labels") or {},
        name=_name([found.get("Name") or ""]),
        image=_image_id(found.get("Image")),
        ports=tuple(
            Port(
                host_ip=row.get("HostIp") or "",
                host=int(row["HostPort"]),
                container=int(port.partition("/")[0]),
                protocol=port.partition("/")[2] or "tcp",
            )
            for port, rows in bound.items()
            for row in rows or ()
            if row.get("HostPort")
        ),
    )


def _name(names: Sequence[str]) -> str:
    """Return a container's name. Docker puts a slash before it, and also lists those by which others are linked to it."""
    return next((bare for name in names if "/" not in (bare := name.removeprefix("/"))), "")


def _image_id(text: str | None) -> str:
    return with_algorithm(text) if text else ""


def found_health(response: Response, read: Callable[[Any], Any]) -> Health:
    """Return what an engine reports about a container's health; empty where it reports nothing.

    Args:
        response: of any status; only that of success has an answer.
        read: returns the answer's part that is about health.
    """
    if response.status != 200:
        response.read()
        return ""
    status = response.json(lambda found: (read(found) or {}).get("Status"))
    return status if status in ("starting", "healthy", "unhealthy") else ""
