"""Images that pass through a registry: built and pushed, or built by one engine and run by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.engines.progress import Progress
from buildr.engines.records import PushRequest
from buildr.errors import Message, OptionError, OptionName
from buildr.image.ensure import ensure_image
from buildr.leftovers.build_lock import building

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from buildr.dependencies import Dependencies
    from buildr.engines.images import Images
    from buildr.engines.progress import Verbosity
    from buildr.engines.protocol import Backend
    from buildr.options import Package
    from buildr.plan.project import Project

_ONLY_HERE = "localhost/"  # what engines call an image that came from no registry


class How(Struct, frozen=True, kw_only=True):
    """How an image is built."""

    cache: bool = True
    """Whether an image, or layers, of an earlier build may serve."""
    twice: bool = False
    """Whether it is built twice, without a cache, to see that it is the same each time."""


class Built(Struct, frozen=True, kw_only=True):
    """An image that was built, and perhaps pushed."""

    image: str
    """Its id, which is the same whether it is pushed or not."""
    pushed: str = ""
    """The id of the image that was pushed, with the labels of the commit, if there is one; empty: it was not pushed."""
    digest: str = ""
    """Under which its registry has it, if it was pushed and the engine reports it."""

    @property
    def named(self) -> str:
        """The id of the image that has the project's name now."""
        return self.pushed or self.image


def build_and_publish(
    backend: Backend, project: Project, say: Callable[[str], None], how: How | None = None
) -> Built:
    """Return the project's image, pushed if its options say so.

    Raises:
        ContextError: the files cannot be read or must not be sent.
        ImageNotFoundError: the base image can neither be found nor pulled.
        BuildError: a step failed, or two builds differ.
        PushError: the registry refused, or cannot be reached.
    """
    package, how = project.package, how or How()
    shown = verbosity(package)
    if package.publish:
        for note in unpinned(project):
            say(note)
    if how.twice:
        from buildr.image.reproducible import build_twice

        image = build_twice(backend, project, say, shown)
    else:
        image = ensure_image(backend, project, say, verbosity=shown, cache=how.cache)
    if not package.publish:
        return Built(image=image)
    with Progress(f"pushing {project.reference}", shown) as progress:
        pushed = _labelled(backend, project, image, progress)
        request = PushRequest(image=pushed, reference=project.reference)
        digest = backend.push(request, progress)
    say(f"pushed {project.reference}" + (f" ({digest})" if digest else ""))
    return Built(image=image, pushed=pushed, digest=digest)


def _labelled(backend: Backend, project: Project, image: str, progress: Progress) -> str:
    """Return the id of the image that is pushed: the project's, with the labels of the commit that is checked out."""
    from buildr.image.stamp import pushed_stamp, with_stamp

    with building(backend.info.backend):  # or it would be an old image before it has a name
        stamp = pushed_stamp(project)
        return with_stamp(backend, image, stamp, progress, name=project.reference)


def unpinned(project: Project) -> Iterator[str]:
    """Yield in one line each what may be something else at the next build, though the project is the same."""
    dependencies = project.dependencies
    if dependencies is not None and dependencies.install and not _is_hashed(dependencies):
        yield (
            f"{dependencies.source} has no hashes, so an index decides what is installed; a lock has them, or"
            " `pip-compile --generate-hashes`"
        )
    for name in _bases(project):
        if "@" not in name and not name.startswith((_ONLY_HERE, "sha256:")):
            yield f"the base image {name} is named by a tag, which may move; {name}@sha256:… stays"


def _is_hashed(dependencies: Dependencies) -> bool:
    """Whether pip checks what it installs: where one requirement has a hash, it wants one of each."""
    return "--require-hashes" in dependencies.install or any(
        b"--hash=" in file.data for file in dependencies.files
    )


def _bases(project: Project) -> Sequence[str]:
    if project.dockerfile is None:
        return (project.recipe.base_image,)
    from buildr.plan.dockerfile import bases, read_dockerfile

    return bases(read_dockerfile(project.dockerfile))


def build_elsewhere(
    executor: Images, project: Project, builder: Backend, say: Callable[[str], None]
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
        image = build_and_publish(builder, project, say).image
        if builder.info.backend == executor.info.backend:
            return image
    finally:
        builder.close()
    with Progress(f"pulling {project.reference}", verbosity(project.package)) as progress:
        return executor.pull(project.reference, progress).id


def verbosity(package: Package) -> Verbosity:
    """Return how much of a build's output is shown."""
    return "quiet" if package.quiet else "verbose" if package.verbose else "normal"
