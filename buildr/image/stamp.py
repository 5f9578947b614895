"""What an image says about itself: on which base it was built, and where it is published of which source. The labels are the OCI's.

https://github.com/opencontainers/image-spec/blob/main/annotations.md

An image is the same for each commit with the same files, whichever command built it: so it says nothing of a commit until it is
pushed. What is pushed has the labels of the commit that is checked out then, and is otherwise the image that runs here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.archive.tar import Member, pack
from buildr.engines.layer import Layer
from buildr.engines.records import BuildRequest, Event
from buildr.errors import EngineError
from buildr.plan.checkout import read_checkout
from buildr.plan.source_date import FIXED, named_date
from buildr.plan.staging import CONTAINERFILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildr.engines.images import Images
    from buildr.engines.progress import Progress
    from buildr.engines.records import Image
    from buildr.plan.project import Project

__all__ = ["Stamp", "base_digest", "built_stamp", "pushed_stamp", "with_stamp"]

_PREFIX = "org.opencontainers.image."
_ONLY_HERE = "localhost/"  # what engines call an image that came from no registry


class Stamp(Struct, frozen=True, kw_only=True):
    """What an image says about itself."""

    created: int
    """The date that it bears, in seconds since the epoch."""
    labels: Mapping[str, str]
    """An empty value removes what a base says of itself."""

    @property
    def known(self) -> Mapping[str, str]:
        """The labels that have a value."""
        return {name: text for name, text in self.labels.items() if text}


def built_stamp(project: Project, bases: Sequence[Image]) -> Stamp:
    """Return what an image says about itself that is built now, the same whatever commit is checked out.

    Args:
        project: what it is built of.
        bases: the images that it is built from.

    Raises:
        BuildError: ``SOURCE_DATE_EPOCH`` is not a number.
    """
    base, date = project.recipe.base_image, named_date()
    labels = dict.fromkeys(("source", "revision", "created", "base.name", "base.digest"), "")
    if not base.startswith(_ONLY_HERE) and len(bases) == 1:
        labels |= {"base.name": base, "base.digest": base_digest(base, bases[0])}
    return Stamp(
        created=FIXED if date is None else date,
        labels={f"{_PREFIX}{name}": text for name, text in labels.items()},
    )


def pushed_stamp(project: Project) -> Stamp:
    """Return what an image says about itself that is pushed now; it has labels only where something is known.

    Args:
        project: what it was built of.

    Raises:
        BuildError: ``SOURCE_DATE_EPOCH`` is not a number.
    """
    checkout, date = read_checkout(str(project.context)), named_date()
    if date is None and checkout is not None:
        date = checkout.time
    labels = {
        "source": checkout.source if checkout else "",
        "revision": checkout.commit if checkout else "",
        "created": "" if date is None else rfc3339(date),
    }
    return Stamp(
        created=FIXED if date is None else date,
        labels={f"{_PREFIX}{name}": text for name, text in labels.items() if text},
    )


def with_stamp(backend: Images, image: str, stamp: Stamp, progress: Progress, *, name: str) -> str:
    """Return the id of an image that says this about itself, and is otherwise as it was.

    Args:
        backend: the engine.
        image: the id of the image as it was.
        stamp: what the new one says.
        progress: receives the events.
        name: the name that the new one gets.

    Raises:
        BuildError: the engine refuses.
    """
    stored = backend.image(image)
    if stored is None or stamp.labels.items() <= stored.labels.items():
        return image
    if backend.appends():
        layer = Layer(content=(), size=0, created_by="", labels=stamp.labels, created=stamp.created)
        try:
            made = backend.append(image, layer, progress)
        except EngineError as error:  # a build may still do
            progress(Event(kind="log", text=f"{error.what}: {error.message}"))
        else:
            backend.tag(made, name)
            return made
    text = Member(path=CONTAINERFILE, data=f"FROM {image}\n".encode())
    request = BuildRequest(
        context=pack([text]), containerfile=CONTAINERFILE, labels=stamp.labels, tags=(name,)
    )
    return backend.build(request, progress)


def base_digest(reference: str, image: Image) -> str:
    """Return the digest under which a registry has an image; empty where that is not known.

    Args:
        reference: the image's name.
        image: as it is stored.
    """
    name, _, digest = reference.partition("@")
    if digest:
        return digest
    head, slash, last = name.rpartition("/")
    repository = f"{head}{slash}{last.partition(':')[0]}"
    # Docker leaves out what its own names leave out.
    short = repository.removeprefix("docker.io/").removeprefix("library/")
    for found in image.digests:
        name, _, digest = found.partition("@")
        if name in (repository, short, repository.removeprefix("docker.io/")):
            return digest
    return ""


def rfc3339(seconds: int) -> str:
    """Write a time as RFC 3339 has it, in whole seconds of UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
