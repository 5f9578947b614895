"""The images that a fake engine stores."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.engines.records import Image
from buildr.errors import EngineError, OptionError
from buildr.options.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ImageStore:
    """Images by id, tag and label; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._images: dict[str, Image] = {}  # by id, the newest last

    def find(self, reference: str) -> Image | None:
        """Look up an image by its id, with or without the algorithm, or by a name."""
        with self._lock:
            for identity in (reference, f"sha256:{reference}"):
                if identity in self._images:
                    return self._images[identity]
            names = {tagged(reference), tagged(_with_registry(reference))}
            return next((image for image in self._images.values() if names & set(image.tags)), None)

    def get(self, reference: str) -> Image:
        """Return an image.

        Raises:
            EngineError: there is none.
        """
        found = self.find(reference)
        if found is None:
            raise EngineError(f"no such image: {reference}", status=404, message="no such image")
        return found

    def list(self, labels: Mapping[str, str]) -> Sequence[Image]:
        """List the images with these labels, newest first, without their configuration."""
        with self._lock:
            found = [image for image in self._images.values() if carries(image.labels, labels)]
        return [
            Image(id=image.id, tags=image.tags, labels=image.labels, size=image.size)
            for image in reversed(found)
        ]

    def add(self, image: Image, content: str) -> Image:
        """Store an image.

        Args:
            image: its configuration; an empty id is replaced by a new one.
            content: what the made-up id depends on.
        """
        identity = image.id or f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
        with self._lock:
            known = self._images.pop(identity, None)
            self._images[identity] = replace(image, id=identity, tags=known.tags if known else ())
            return self._images[identity]

    def name(self, reference: str, name: str) -> Image:
        """Give a name to an image, and take it from the image that had it.

        Raises:
            EngineError: there is no such image.
        """
        tag = tagged(name)
        with self._lock:
            image = self.get(reference)
            for other in self._images.values():
                self._images[other.id] = _without(other, tag)
            image = self._images[image.id]
            self._images[image.id] = replace(image, tags=(*image.tags, tag))
            return self._images[image.id]

    def remove(self, reference: str) -> None:
        """Take a name away, and the image with its last one; an absent one is fine.

        Raises:
            EngineError: it has several names, and ``reference`` is not one of them.
        """
        tag = tagged(reference)
        with self._lock:
            found = self.find(reference)
            if found is None:
                return
            if len(found.tags) > 1:
                if tag not in found.tags:
                    raise EngineError("the image has several names", status=409, message="in use")
                self._images[found.id] = _without(found, tag)
            else:
                del self._images[found.id]


def _without(image: Image, tag: str) -> Image:
    return replace(image, tags=tuple(name for name in image.tags if name != tag))


def _with_registry(reference: str) -> str:
    """Return what a short name such as ``python:3`` stands for."""
    try:
        return str(parse_reference(reference).normalised())
    except OptionError:
        return reference  # an id


def tagged(reference: str) -> str:
    """Return a reference with the tag that it means."""
    name = reference.rpartition("/")[2]
    return reference if ":" in name or "@" in name else f"{reference}:latest"


def carries(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether all labels that are wanted are there; an empty value matches any."""
    return all(
        name in labels and (not value or labels[name] == value) for name, value in wanted.items()
    )
