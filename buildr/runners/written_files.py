"""Files that the guest writes to its own file system: copied to the project, or reported as lost."""

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
    """Return a container whose first process names its lost files, if a user can read that.

    The guest searches for them, which takes a few milliseconds; an engine's list of changes can take as long as the
    run.
    """
    runtime = session.runtime
    kept = runtime.mount_source or runtime.hardened or runtime.detach or runtime.outputs
    if kept or session.plan.package.quiet or not console.is_terminal():
        return spec
    when = "success" if runtime.keep else "always"
    return replace(spec, environment={**spec.environment, NOT_KEPT: when})


def collector(session: EngineSession) -> Callable[[str, int], None] | None:
    """Return a function that copies the outputs of an ended container, given its id and status; ``None`` without outputs.

    Raises:
        OptionError: a pattern is not valid.
    """
    runtime = session.runtime
    if (
        not runtime.outputs or runtime.mount_source
    ):  # with a mounted source they are already in the project
        return None
    from buildr.run.outputs import Outputs

    outputs = Outputs(runtime.outputs, str(session.project.context))

    def collect(container: str, status: int) -> None:
        try:
            _report(outputs.collect(session.backend, container), session.say)
        except BuildrError as error:
            if not status:
                raise
            console.warn(error.what)  # a failure of the script takes precedence

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
