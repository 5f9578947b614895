"""Files that the guest writes into its own file system: copied to the project, or reported as lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.errors import BuildrError
from buildr.guest.init import NOT_KEPT
from buildr.host import console

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.engines.container_spec import ContainerSpec
    from buildr.run.outputs import Collected
    from buildr.runners.session import EngineSession

_SHOWN = 3


def reporting_lost_files(spec: ContainerSpec, session: EngineSession) -> ContainerSpec:
    """Return a container whose first process names the files that are lost with it, if a user reads that.

    The guest itself looks for them, which costs a run that writes nothing a few milliseconds at most; an engine's own list of
    changes can take as long as the run.
    """
    runtime = session.runtime
    kept = runtime.mount_source or runtime.hardened or runtime.detach or runtime.outputs
    if kept or session.plan.package.quiet or not console.is_terminal():
        return spec
    when = "success" if runtime.keep else "always"
    return replace(spec, environment={**spec.environment, NOT_KEPT: when})


def collector(session: EngineSession) -> Callable[[str, int], None] | None:
    """Return a function that copies the outputs of a container that has ended, given its id and its status; ``None`` if none are wanted.

    Raises:
        OptionError: a pattern is not valid.
    """
    runtime = session.runtime
    if (
        not runtime.outputs or runtime.mount_source
    ):  # in a mounted source they are in the project already
        return None
    from buildr.run.outputs import Outputs

    outputs = Outputs(runtime.outputs, str(session.project.context))

    def collect(container: str, status: int) -> None:
        try:
            _report(outputs.collect(session.backend, container), session.say)
        except BuildrError as error:
            if not status:
                raise
            console.warn(error.what)  # the script's own failure comes first

    return collect


def _report(found: Collected, say: Callable[[str], None]) -> None:
    if found.written:
        from buildr.context.entries import first_of

        count = len(found.written)
        say(f"copied {count} file{'s'[: count != 1]} to the project: {first_of(found.written)}")
    for line in found.refused[:_SHOWN]:
        console.warn(f"not copied to the project: {line}")
    if (more := len(found.refused) - _SHOWN) > 0:
        console.warn(f"{more} more were not copied to the project")
