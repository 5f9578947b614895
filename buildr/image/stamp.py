"""The labels of a finished image that name its source and its base, as the OCI specifies them.

https://github.com/opencontainers/image-spec/blob/main/annotations.md

They never cause a rebuild: another commit with the same files gives the same layers with other labels.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.labels import NORMALISED
from buildr.plan.checkout import read_checkout
from buildr.plan.source_date import FIXED, named_date

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildr.engines.images import Images
    from buildr.engines.records import Image
    from buildr.plan.checkout import Checkout
    from buildr.plan.project import Project

__all__ = ["Stamp", "base_of", "date_of", "stamp_of"]

PREFIX = "org.opencontainers.image."
_NAMES = ("source", "revision", "created", "base.name", "base.digest")
_ONLY_HERE = "localhost/"  # what engines call an image that came from no registry


class Stamp(Struct, frozen=True, kw_only=True):
    """The labels and the date of an image."""

    created: int
    """Its date, in seconds since the epoch."""
    labels: Mapping[str, str]
    """All its labels."""


def stamp_of(
    backend: Images, project: Project, image: Image, bases: Sequence[Image], *, normalised: bool
) -> Stamp:
    """Return the labels and the date of the finished image.

    A label from the user's own Containerfile is kept; one that is inherited from the base describes the base, and is removed.

    Args:
        backend: the engine.
        project: what it is built of.
        image: just built, or finished earlier.
        bases: its possible base images.
        normalised: whether its layers are rewritten.

    Raises:
        BuildError: ``SOURCE_DATE_EPOCH`` is not a number.
    """
    checkout = read_checkout(str(project.context))
    date = _date(checkout)
    base = base_of(image, bases)
    name = _name_of(backend, project, base) if base else ""
    known = {
        "source": checkout.source if checkout else "",
        "revision": checkout.commit if checkout else "",
        "created": "" if date is None else rfc3339(date),
        "base.name": name,
        "base.digest": base_digest(name, base) if base and name else "",
    }
    inherited = base.labels if base else {}
    ours = image.labels.get(NORMALISED, "").split()[1:]
    own = {
        label: text
        for label, text in image.labels.items()
        if label != NORMALISED
        and (short := label.removeprefix(PREFIX)) not in ours
        and (short not in _NAMES or inherited.get(label) != text)
    }
    given = {
        f"{PREFIX}{short}": text
        for short, text in known.items()
        if text and f"{PREFIX}{short}" not in own
    }
    mark = " ".join(("1" if normalised else "0", *(name.removeprefix(PREFIX) for name in given)))
    return Stamp(created=FIXED if date is None else date, labels={**own, **given, NORMALISED: mark})


def date_of(project: Project) -> int:
    """Return the date of a finished image, in seconds since the epoch.

    Raises:
        BuildError: as `stamp_of`.
    """
    date = _date(read_checkout(str(project.context)))
    return FIXED if date is None else date


def _date(checkout: Checkout | None) -> int | None:
    date = named_date()
    return checkout.time if date is None and checkout is not None else date


def base_of(image: Image, bases: Sequence[Image]) -> Image | None:
    """Return the base of an image; ``None`` if it is not among these."""
    found = (base for base in bases if base.diff_ids == image.diff_ids[: len(base.diff_ids)])
    return max(found, key=lambda base: len(base.diff_ids), default=None)


def _name_of(backend: Images, project: Project, base: Image) -> str:
    """Return the base's name in the Containerfile; empty for a local image."""
    if project.dockerfile is None:
        name = project.recipe.base_image
    else:
        from buildr.plan.dockerfile import bases, read_dockerfile

        names = bases(read_dockerfile(project.dockerfile))
        found = ((name, backend.image(name)) for name in names)
        name = next((name for name, image in found if image and image.id == base.id), "")
    if not name or name.startswith((_ONLY_HERE, "sha256:")):
        return ""
    from buildr.options.reference import parse_reference

    return str(parse_reference(name).normalised())


def base_digest(reference: str, image: Image) -> str:
    """Return an image's digest in its registry; empty if unknown.

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
