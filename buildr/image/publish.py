"""Images that pass through a registry: built and pushed, or built by one engine and run by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.engines.progress import Progress
from buildr.engines.records import PushRequest
from buildr.errors import Message, OptionError, OptionName
from buildr.image.ensure import ensure_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.engines.images import Images
    from buildr.engines.progress import Verbosity
    from buildr.engines.protocol import Backend
    from buildr.options import Package
    from buildr.plan.project import Project


class Published(Struct, frozen=True):
    """An image that was built, and pushed if its options say so."""

    image: str
    """Its id."""
    digest: str = ""
    """Under which the registry has it; empty: it was not pushed, or the engine does not report that."""


def build_and_publish(
    backend: Backend, project: Project, say: Callable[[str], None], *, cache: bool = True
) -> Published:
    """Build the project's image, and push it if its options say so."""
    package = project.package
    shown = verbosity(package)
    image = ensure_image(backend, project, say, verbosity=shown, cache=cache)
    digest = ""
    if package.publish:
        with Progress(f"pushing {project.reference}", shown) as progress:
            request = PushRequest(image=image, reference=project.reference)
            digest = backend.push(request, progress)
        say(f"pushed {project.reference}" + (f" ({digest})" if digest else ""))
    return Published(image, digest)


def build_elsewhere(
    executor: Images,
    project: Project,
    builder: Backend,
    say: Callable[[str], None],
    *,
    cache: bool = True,
) -> str:
    """Build with one engine and run with another: the image goes through its registry."""
    try:
        if builder.info.backend != executor.info.backend and not project.package.publish:
            raise OptionError(
                f"the image is built by {builder.info.backend} and run by {executor.info.backend},"
                " so it must be published",
                hint=Message(
                    "Set ",
                    OptionName("package.repository"),
                    " and ",
                    OptionName("package.publish"),
                    ", or name one engine for both.",
                ),
            )
        image = build_and_publish(builder, project, say, cache=cache).image
        if builder.info.backend == executor.info.backend:
            return image
    finally:
        builder.close()
    with Progress(f"pulling {project.reference}", verbosity(project.package)) as progress:
        return executor.pull(project.reference, progress).id


def verbosity(package: Package) -> Verbosity:
    """Return how much of a build's output is shown."""
    return "quiet" if package.quiet else "verbose" if package.verbose else "normal"
