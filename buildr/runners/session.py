"""The engine that runs a project, and how the project's image comes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.engines import registry
from buildr.host import console
from buildr.image.ensure import Ready, make_ready
from buildr.image.publish import build_and_publish, build_elsewhere, verbosity
from buildr.layout import APP
from buildr.plan.mounted_source import source_mounted
from buildr.plan.project import plan
from buildr.runners.container import warn_of_limits, warn_of_network

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from buildr.image.ensure import Growth
    from buildr.options import Package, Runtime
    from buildr.plan.entry import Entry


class Engine:
    """The engine that runs a project, reached; a context manager.

    Args:
        entry: the program.
        package: validated options.
        runtime: validated options.
        flag: the backend named on the command line.
        builder_flag: the one named there to build.
        origins: where options stand, by ``package.builder``; others are the decorator's.

    Attributes:
        project: what the entry and the options come to.
        runtime: the options.
        backend: the engine's.
        say: tells the user something in one line, unless quiet is asked for.

    Raises:
        BuildrError: the project is none, or the engine cannot be reached.
    """

    def __init__(
        self,
        entry: Entry,
        package: Package,
        runtime: Runtime,
        *,
        flag: str | None = None,
        builder_flag: str | None = None,
        origins: Mapping[str, str] | None = None,
    ) -> None:
        self.say = _nothing if package.quiet else console.say
        self.runtime = runtime
        project = plan(entry, package)
        if runtime.mount_source:
            project = source_mounted(project)
        if runtime.debug is not None:
            from buildr.plan.debugger import with_debugger

            project = with_debugger(project)
        self.project = project
        self._executor, self._builder = registry.choose_both(
            package, runtime, origins or {}, flag=flag, builder=builder_flag
        )
        self.backend = registry.connect(self._executor, self.say)

    def __enter__(self) -> Self:
        """Say which limits will not hold, and what is not apart from the host."""
        try:
            warn_of_limits(self.backend, self.runtime)
            warn_of_network(self.runtime)
        except BaseException:
            self.backend.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.backend.close()

    def make_ready(self, *, trust: bool) -> Ready:
        """Return what a container of the project is made of; build if need be, publish if asked for.

        Args:
            trust: see `buildr.image.ensure.make_ready`.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        backend, project, say = self.backend, self.project, self.say
        if self._builder.name not in (self._executor.name, registry.AUTO):
            elsewhere = registry.connect(self._builder, say)
            return Ready(image=build_elsewhere(backend, project, elsewhere, say))
        if project.package.publish:
            return Ready(image=build_and_publish(backend, project, say))
        return make_ready(
            backend,
            project,
            say,
            growth=_growth(self.runtime),
            verbosity=verbosity(project.package),
            trust=trust,
            wheels=project.package.wheel_cache,
        )


def _growth(runtime: Runtime) -> Growth:
    """Return how small changes may come into the container.

    Where the root is read-only engines put no files into a container, and below a mount they would put them into what
    is mounted.
    """
    targets = [f"{mount.target}/" for mount in runtime.mounts]
    targets += [f"{item.target}/" for item in runtime.tmpfs]
    covered = any(t.startswith(f"{APP}/") or f"{APP}/".startswith(t) for t in targets)
    return "images" if runtime.hardened or covered else "files"


def _nothing(_text: str) -> None:
    """Say nothing: the user asked for quiet."""
