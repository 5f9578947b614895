"""Returns the stored image of a project: looks it up by its fingerprint, or builds it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.context.reading import ChangedError
from buildr.engines.progress import Progress
from buildr.image.base_images import base_notes, find_bases
from buildr.image.inputs import Inputs, Made
from buildr.image.lookup import Lookup
from buildr.image.subordinate_ids import fit
from buildr.leftovers import housekeeping
from buildr.leftovers.build_lock import building
from buildr.leftovers.old_images import old_images
from buildr.plan.fingerprint import frame
from buildr.plan.sources import read_sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.engines.progress import Verbosity
    from buildr.engines.protocol import Backend
    from buildr.image.lookup import Growth, Ready
    from buildr.plan.project import Project


_TRIES = 3  # attempts to read files that are being edited


class Wanted(Struct, frozen=True, kw_only=True):
    """How an image may be built."""

    growth: Growth = "clean"
    """How small changes may get into the container."""
    cache: bool = True
    """Whether an image, or layers, of an earlier build may serve."""
    trust: bool = False
    """Whether the image that was last run may be returned without asking the engine for it. It may have been removed, so
    the caller must be ready for an `ImageNotFoundError`."""
    wheels: bool = False
    """Whether dependencies may be installed with the cache of wheels."""
    finished: bool = False
    """Whether the image is finished for publication: see `buildr.image.finish`."""


def ensure_image(
    backend: Backend,
    project: Project,
    say: Callable[[str], None],
    *,
    verbosity: Verbosity = "normal",
    cache: bool = True,
    finished: bool = False,
) -> str:
    """Return the id of the project's clean image; build it if it is not stored.

    Args:
        backend: the engine.
        project: what to build.
        say: called with each note for the user about a build.
        verbosity: how much progress is shown.
        cache: whether images and layers of earlier builds may be used.
        finished: see `Wanted`.

    Raises:
        ContextError: the files cannot be read or must not be sent.
        ImageNotFoundError: the base image can neither be found nor pulled.
        BuildError: a step failed.
    """
    wanted = Wanted(cache=cache, finished=finished)
    ready = make_ready(backend, project, say, wanted, verbosity=verbosity)
    if ready.is_new:
        housekeeping.collect_later(backend.info, old_images(project, ready.image))
    return ready.image


def make_ready(
    backend: Backend,
    project: Project,
    say: Callable[[str], None],
    wanted: Wanted,
    *,
    verbosity: Verbosity = "normal",
) -> Ready:
    """Return the image for a container of the project, building no more than necessary.

    Args:
        backend: the engine.
        project: what to run.
        say: called with each note for the user about a build.
        wanted: how the image may be built.
        verbosity: how much progress is shown.

    If a file changes while it is read, all files are read again, so that an image has one consistent state. Files that
    change constantly are included as they were last read.

    Raises:
        ContextError: the files cannot be read or must not be sent, or change all the time and are too large to be held.
        ImageNotFoundError: the base image can neither be found nor pulled.
        BuildError: a step failed.
        DependencyError: the base image's Python does not satisfy the project.
    """
    project = fit(project, backend)
    said: set[str] = set()

    def say_once(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    for _ in range(_TRIES - 1):
        with contextlib.suppress(ChangedError):
            return _make_ready(backend, project, say_once, wanted, verbosity)
    return _make_ready(backend, project, say_once, wanted, verbosity, pin=True)


def _make_ready(
    backend: Backend,
    project: Project,
    say: Callable[[str], None],
    wanted: Wanted,
    verbosity: Verbosity,
    *,
    pin: bool = False,
) -> Ready:
    """Do the same as `make_ready` with the current state of files.

    Args:
        backend: as there, and so on.
        project: as there.
        say: as there.
        wanted: as there.
        verbosity: as there.
        pin: whether files that are written to all the time are held as they are read.

    Raises:
        ChangedError: a file has changed meanwhile.
    """
    with Progress(project.name, verbosity) as progress:
        sources = read_sources(project, pin=pin)
        bases = find_bases(backend, project, progress)
        inputs = Inputs(sources=sources, bases=bases, frame=frame(project, sources, bases))
        lookup = Lookup(backend, project, inputs)
        ready = lookup.find(wanted.growth, progress, trust=wanted.trust) if wanted.cache else None
        say = progress.beside(say)
        if ready is None:
            _say_notes(project, inputs, say)
            progress.closing = f"built {project.name}"
            image = _build(backend, project, inputs, progress, wanted, say)
            ready = lookup.remember(lookup.tag, image, is_new=True)
        if wanted.finished:
            made = Made(image=ready.image, bases=bases, name=lookup.tag)
            image = _finish(backend, project, made, say, progress)
            if image != ready.image:
                ready = lookup.remember(lookup.tag, image, is_new=True)
        return ready


def _finish(
    backend: Backend, project: Project, made: Made, say: Callable[[str], None], progress: Progress
) -> str:
    from buildr.image.finish import finish

    with building(backend.info.backend) as keep_account:
        progress.on_image = keep_account
        image = finish(backend, project, made, say, progress)
        if image != made.image:
            backend.tag(image, project.reference)
    return image


def _say_notes(project: Project, inputs: Inputs, say: Callable[[str], None]) -> None:
    from buildr.plan.staging import notes

    for note in (
        *project.notes,
        *notes(inputs.sources, project.context),
        *base_notes(project, inputs.bases),
    ):
        say(note)


def _build(
    backend: Backend,
    project: Project,
    inputs: Inputs,
    progress: Progress,
    wanted: Wanted,
    say: Callable[[str], None],
) -> str:
    with building(backend.info.backend) as keep_account:
        progress.on_image = keep_account
        if project.dockerfile is None:
            from buildr.image.generated import build_generated
            from buildr.installer.base_python import check_python

            for base in inputs.bases:
                check_python(backend, project, base)
            image = build_generated(
                backend, project, inputs, progress, cache=wanted.cache, wheels=wanted.wheels
            )
        else:
            from buildr.image.user_containerfile import build_own

            image = build_own(backend, project, inputs.sources, progress, say, cache=wanted.cache)
        # Only now: a partial image of a failed build may have our labels, but never this tag.
        backend.tag(image, inputs.frame.tag(inputs.sources.tree.digest))
    return image
