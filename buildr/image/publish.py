"""Images in registries: built and pushed, or built by one engine and run by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.engines.progress import Progress
from buildr.engines.records import PushRequest
from buildr.errors import Message, OptionError, OptionName
from buildr.image.ensure import ensure_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from buildr.dependencies import Dependencies
    from buildr.engines.images import Images
    from buildr.engines.progress import Verbosity
    from buildr.engines.protocol import Backend
    from buildr.options import Package
    from buildr.plan.project import Project

_ONLY_HERE = "localhost/"  # what engines call an image that came from no registry


class Published(Struct, frozen=True):
    """An image that was built, and pushed if its options say so."""

    image: str
    """Its id."""
    digest: str = ""
    """Under which the registry has it; empty: it was not pushed, or the engine does not report that."""


def build_and_publish(
    backend: Backend, project: Project, say: Callable[[str], None], *, cache: bool = True
) -> Published:
    """Return the project's image, normalized (`buildr.image.finish`), and pushed if its options say so.

    Raises:
        ContextError: the files cannot be read or must not be sent.
        ImageNotFoundError: the base image can neither be found nor pulled.
        BuildError: a step failed.
        PushError: the registry refused, or cannot be reached.
    """
    package = project.package
    shown = verbosity(package)
    if package.publish:
        for note in unpinned(project):
            say(note)
    image = ensure_image(backend, project, say, verbosity=shown, cache=cache, finished=True)
    if not package.publish:
        return Published(image)
    with Progress(f"pushing {project.reference}", shown) as progress:
        request = PushRequest(image=image, reference=project.reference)
        digest = backend.push(request, progress)
    say(f"pushed {project.reference}" + (f" ({digest})" if digest else ""))
    return Published(image, digest)


def unpinned(project: Project) -> Iterator[str]:
    """Yield a line for each input that is not pinned, so that it may differ in the next build of the same project."""
    dependencies = project.dependencies
    if dependencies is not None and dependencies.install and not _is_hashed(dependencies):
        yield (
            f"{dependencies.source} has no hashes, so the next build may install something else; use a lock, or"
            " `pip-compile --generate-hashes`"
        )
    for name in _bases(project):
        if "@" not in name and not name.startswith((_ONLY_HERE, "sha256:")):
            yield f"the base image {name} is not pinned, so the next build may use another one; {name}@sha256:… pins it"


def _is_hashed(dependencies: Dependencies) -> bool:
    """Whether pip checks hashes: if one requirement has a hash, it requires one of each."""
    return "--require-hashes" in dependencies.install or any(
        b"--hash=" in file.data for file in dependencies.files
    )


def _bases(project: Project) -> Sequence[str]:
    if project.dockerfile is None:
        return (project.recipe.base_image,)
    from buildr.plan.dockerfile import bases, read_dockerfile

    return bases(read_dockerfile(project.dockerfile))


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
        if project.package.publish:
            image = build_and_publish(builder, project, say, cache=cache).image
        else:
            shown = verbosity(project.package)
            image = ensure_image(builder, project, say, verbosity=shown, cache=cache)
        if builder.info.backend == executor.info.backend:
            return image
    finally:
        builder.close()
    with Progress(f"pulling {project.reference}", verbosity(project.package)) as progress:
        return executor.pull(project.reference, progress).id


def verbosity(package: Package) -> Verbosity:
    """Return the verbosity of a build."""
    return "quiet" if package.quiet else "verbose" if package.verbose else "normal"
