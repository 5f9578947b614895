"""The engine that runs a project, and how the project's image comes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr import console, registry
from buildr.backend import PushRequest
from buildr.container import warn_of_limits, warn_of_network
from buildr.containerfile import APP
from buildr.errors import OptionError
from buildr.image import Ready, ensure_image, make_ready
from buildr.live import source_mounted
from buildr.progress import Progress
from buildr.project import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from buildr.backend import Backend
    from buildr.entry import Entry
    from buildr.image import Growth
    from buildr.options import Package, Runtime
    from buildr.progress import Verbosity
    from buildr.project import Project


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
            from buildr.debugging import with_debugger

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
            trust: see `buildr.image.make_ready`.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        backend, project, say = self.backend, self.project, self.say
        if self._builder.name not in (self._executor.name, registry.AUTO):
            elsewhere = registry.connect(self._builder, say)
            return Ready(image=_build_elsewhere(backend, project, elsewhere, say))
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


def build_and_publish(
    backend: Backend, project: Project, say: Callable[[str], None], *, cache: bool = True
) -> str:
    """Return the id of the project's image, pushed if its options say so."""
    package = project.package
    shown = verbosity(package)
    image = ensure_image(backend, project, say, verbosity=shown, cache=cache)
    if package.publish:
        with Progress(f"pushing {project.reference}", shown) as progress:
            request = PushRequest(image=image, reference=project.reference)
            digest = backend.push(request, progress)
        say(f"pushed {project.reference}" + (f" ({digest})" if digest else ""))
    return image


def _build_elsewhere(
    executor: Backend, project: Project, builder: Backend, say: Callable[[str], None]
) -> str:
    """Build with one engine and run with another: the image goes through its registry."""
    try:
        if builder.info.backend != executor.info.backend and not project.package.publish:
            raise OptionError(
                f"the image is built by {builder.info.backend} and run by {executor.info.backend},"
                " so it must be published",
                hint="Set repository=… in package and publish=True in package, or name one engine for both.",
            )
        image = build_and_publish(builder, project, say)
        if builder.info.backend == executor.info.backend:
            return image
    finally:
        builder.close()
    with Progress(f"pulling {project.reference}", verbosity(project.package)) as progress:
        return executor.pull(project.reference, progress).id


def verbosity(package: Package) -> Verbosity:
    """Return how much of a build is shown."""
    return "quiet" if package.quiet else "verbose" if package.verbose else "normal"


def _nothing(_text: str) -> None:
    """Say nothing: the user asked for quiet."""
