"""Containers of failed runs that are kept for inspection: ``keep``, ``buildr run --keep``.

A label marks it from the start, since labels cannot be added later; a container is kept once its guest has ended with a
status other than 0. From then on only the user removes it, not the watchdog or a later sweep. If the host process dies
while the guest is running, the container is removed like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr import labels
from buildr.engines.records import short_id
from buildr.layout import APP

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.containers import Containers
    from buildr.engines.engine import Engine
    from buildr.engines.records import ContainerState


def to_be_kept(spec: ContainerSpec) -> ContainerSpec:
    """Return a container that is kept if its guest fails."""
    return replace(spec, labels={**spec.labels, labels.KEEP: labels.SET})


def is_kept(backend: Containers, found: ContainerState) -> bool:
    """Whether a container has been kept.

    Args:
        backend: its engine.
        found: the listed container; not every list has the exit status.

    Raises:
        BackendError: the engine cannot inspect it.
    """
    if not found.labels.get(labels.KEEP) or found.running:
        return False
    state = found if found.exit_code is not None else backend.state(found.id)
    return state is not None and state.exit_code not in (None, 0)


def ways_in(backend: Engine, container: str, spec: ContainerSpec, status: int) -> str:
    """Return the message about a kept container: how to inspect and remove it."""
    name = spec.labels.get(labels.NAME) or "the script"
    engine, short = backend.info.command, short_id(container)
    run = short_id(spec.labels[labels.RUN])
    by_engine = (
        f"  what it changed    {engine} diff {short}",
        f"  a file of it       {engine} cp {short}:{APP}/FILE .",
        f"  a shell in it      {engine} run --rm -it --entrypoint sh $({engine} commit {short})",
        f"  run it once more   {engine} start --attach --interactive {short}",
    )
    return "\n".join(
        (
            f"{name} ended with status {status}, and its container {short} is kept:",
            f"  what it wrote      buildr logs {run}",
            *(by_engine if engine else ()),
            f"  remove it          buildr stop {run}",
        )
    )
