"""Another engine for a run that ``auto`` has given to one that answers, but cannot run containers.

That shows only when a container is to start: the runtime is missing, say, or refuses this host's cgroups. Whether the engine is
to blame, and not the script's options, is tried with a container that has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.engines import registry
from buildr.engines.records import Target
from buildr.errors import BackendError, StartError
from buildr.host import console
from buildr.run.helper import helper

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from buildr.runners.plan import RunPlan


def on_another_engine(plan: RunPlan, error: BackendError) -> RunPlan | None:
    """Return the plan for the next engine of ``auto``, and say so; ``None`` where the failed one is not to blame or is the last.

    Args:
        plan: what could not be run.
        error: why.
    """
    if plan.choices.executor.name != registry.AUTO:
        return None
    try:
        failed = registry.connect(plan.choices.executor, console.say_nothing)
    except BackendError:
        return None
    try:
        if _runs_containers(failed, plan):
            return None
        other = _next(failed.info.backend)
    finally:
        failed.close()
    if other is None:
        return None
    console.say(
        f"using {other}, since {failed.info.backend} cannot run containers here: {error.what}"
        f"\n`buildr doctor` shows why; BUILDR_BACKEND={other} saves the attempt"
    )
    chosen = registry.Choice(name=other, origin=registry.AUTO)
    return replace(plan, choices=replace(plan.choices, executor=chosen))


def _runs_containers(backend: Backend, plan: RunPlan) -> bool:
    """Return whether a container without any options starts; also if there is no image to try it with."""
    project = plan.project
    names = (project.recipe.base_image, project.reference) if project is not None else (plan.image,)
    try:
        image = next(filter(None, map(backend.image, filter(None, names))), None)
        if image is None:
            return True
        with helper(backend, image.id, entrypoint=("true",)) as container:
            backend.start(container)
    except StartError:
        return False
    except BackendError:
        return True  # the command is not there, or it is not known
    return True


def _next(failed: str) -> str | None:
    """Return the name of the first engine that ``auto`` would try after one, and that answers."""
    names = registry.names()
    for name in names[names.index(failed) + 1 :] if failed in names else ():
        try:
            registry.attempt(name, Target()).close()
        except BackendError:
            continue
        return name
    return None
