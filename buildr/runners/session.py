"""A local engine that runs a project, and the project's image on it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from buildr import labels
from buildr.engines import registry
from buildr.errors import ContainerError
from buildr.host import console
from buildr.image.ensure import Wanted, make_ready
from buildr.image.lookup import Ready
from buildr.image.publish import build_and_publish, build_elsewhere, verbosity
from buildr.layout import APP
from buildr.leftovers import housekeeping, tasks
from buildr.leftovers.old_images import old_images
from buildr.plan.mounted_source import source_mounted
from buildr.run.watchdog import Watchdog
from buildr.runners.choice import check
from buildr.runners.warnings import warn_of_limits, warn_of_neighbours, warn_of_network

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Self

    from buildr.engines.container_spec import ContainerSpec
    from buildr.image.lookup import Growth
    from buildr.options import Runtime
    from buildr.plan.project import Project
    from buildr.runners.plan import RunPlan


class EngineSession:
    """The connected engine that runs a plan; a context manager, which closes it.

    Args:
        plan: what to run.

    Attributes:
        plan: what to run.
        project: the project of its image, with the additions of a run on an engine.
        backend: the engine's.
        say: prints a line for the user, unless the run is quiet.

    Raises:
        BuildrError: the options exclude each other, or the engine is unreachable.
    """

    def __init__(self, plan: RunPlan) -> None:
        self.say = console.say_nothing if plan.package.quiet else console.say
        self.plan = plan
        self.project = _project(plan)
        check(plan.choices.executor)
        self.backend = registry.connect(plan.choices.executor, self.say)

    @property
    def runtime(self) -> Runtime:
        """The options of the run."""
        return self.plan.runtime

    def __enter__(self) -> Self:
        """Warn about limits that will not apply, and about missing isolation from the host."""
        try:
            warn_of_limits(self.backend, self.runtime)
            warn_of_network(self.runtime)
            warn_of_neighbours(self.backend, self.runtime)
        except BaseException:
            self.backend.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.backend.close()

    def make_ready(self, *, trust: bool) -> Ready:
        """Return the image for a container of the project; build if necessary, publish if requested.

        Args:
            trust: see `buildr.image.ensure.Wanted`.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        backend, project, say, choices = self.backend, self.project, self.say, self.plan.choices
        if choices.builder.name not in (choices.executor.name, registry.AUTO):
            elsewhere = registry.connect(choices.builder, say)
            return Ready(
                image=build_elsewhere(backend, project, elsewhere, say, cache=self.plan.cache)
            )
        if project.package.publish:
            published = build_and_publish(backend, project, say, cache=self.plan.cache)
            return Ready(image=published.image)
        return make_ready(
            backend,
            project,
            say,
            Wanted(
                growth=_growth(self.runtime),
                cache=self.plan.cache,
                trust=trust,
                wheels=project.package.wheel_cache,
            ),
            verbosity=verbosity(project.package),
        )

    def repeat_notes(self) -> None:
        """Print what was said when the image of a run that has failed was built: it may be why."""
        from buildr.context.reading import ChangedError
        from buildr.errors import BuildrError
        from buildr.plan.sources import read_sources
        from buildr.plan.staging import notes

        if self.say is console.say_nothing or not console.is_terminal():
            return  # in a pipe the output is the script's own, as without Buildr
        project = self.project
        said = [*project.notes]
        with contextlib.suppress(BuildrError, ChangedError):
            said += notes(read_sources(project), project.context)
        if said:
            self.say(
                "\n".join(
                    ("this was said when the image was built:", *(f"  {note}" for note in said))
                )
            )

    def watchdog(self, spec: ContainerSpec) -> Watchdog:
        """Return the watchdog of a run, not yet started."""
        info = self.backend.info
        run_id = spec.labels[labels.RUN]
        return Watchdog(info.backend, info.endpoint, run_id, self.runtime.grace_seconds)

    def housekeeping(self, ready: Ready) -> AbstractContextManager[None]:
        """Return a context manager that starts housekeeping in a background process after a run.

        Args:
            ready: the image of the run.
        """
        info = self.backend.info
        if ready.is_new:
            tasks.note(info, old_images(self.project, ready.image))
        return housekeeping.afterwards(info)

    def report_ports(self, container: str, spec: ContainerSpec) -> None:
        """Print the host ports that the engine chose; the engine is asked only if it had to choose."""
        if not any(port.host == 0 for port in spec.ports):
            return
        state = self.backend.state(container)
        for port in state.ports if state else ():
            self.say(f"port {port.container}/{port.protocol} of the guest is {port.address} here")


def _project(plan: RunPlan) -> Project:
    """Return the project in the form that this run needs."""
    project = plan.project
    if project is None:
        raise ContainerError(
            f"{plan.image} is not built from a script, and a local engine runs scripts",
            hint="Start it by the engine's own command.",
        )
    if plan.runtime.mount_source:
        project = source_mounted(project)
    if plan.runtime.debug is not None:
        from buildr.plan.debugger import with_debugger

        project = with_debugger(project)
    return project


def _growth(runtime: Runtime) -> Growth:
    """Return how small changes may be applied to the container.

    Engines cannot copy files into a container with a read-only root, and below a mount they would write to the mounted
    files.
    """
    targets = [f"{mount.target}/" for mount in runtime.mounts]
    targets += [f"{item.target}/" for item in runtime.tmpfs]
    covered = any(t.startswith(f"{APP}/") or f"{APP}/".startswith(t) for t in targets)
    return "images" if runtime.hardened or covered else "files"
