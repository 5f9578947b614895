"""Containers of failed runs that stay for a look: ``keep``, ``buildr run --keep``.

A label says from the start that a container would be kept, since none can be added later; kept it is once its guest has
ended with another status than 0. From then on it is nobody's, until the user removes it: neither the watchdog nor the sweep of a
later run touches it. One whose guest still runs when its host process dies goes like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr import labels

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.protocol import Backend
    from buildr.engines.records import ContainerState

_ID_DIGITS = 12


def to_be_kept(spec: ContainerSpec) -> ContainerSpec:
    """Return a container that stays when its guest fails."""
    return replace(spec, labels={**spec.labels, labels.KEEP: labels.SET})


def is_kept(backend: Backend, found: ContainerState) -> bool:
    """Whether a container has been kept.

    Args:
        backend: its engine.
        found: the container as it was listed; not every list has the exit status.

    Raises:
        BackendError: the engine cannot tell.
    """
    if not found.labels.get(labels.KEEP) or found.running:
        return False
    state = found if found.exit_code is not None else backend.state(found.id)
    return state is not None and state.exit_code not in (None, 0)


def ways_in(backend: Backend, container: str, spec: ContainerSpec, status: int) -> str:
    """Return what to tell of a container that has just been kept: how to look into it, and how to remove it."""
    name = spec.labels.get(labels.NAME) or "the script"
    engine, short = backend.info.backend, container[:_ID_DIGITS]
    run = spec.labels[labels.RUN][:_ID_DIGITS]
    return "\n".join(
        (
            f"{name} ended with status {status}, and its container {short} is kept:",
            f"  what it wrote      buildr logs {run}",
            f"  what it changed    {engine} diff {short}",
            f"  a file of it       {engine} cp {short}:/app/FILE .",
            f"  a shell in it      {engine} run --rm -it --entrypoint sh $({engine} commit {short})",
            f"  run it once more   {engine} start --attach --interactive {short}",
            f"  remove it          buildr stop {run}",
        )
    )
