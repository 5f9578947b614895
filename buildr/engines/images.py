"""The protocol for images: lookup, build, transfer, removal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from buildr.engines.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from buildr.engines.artifact import Artifact
    from buildr.engines.records import BuildRequest, Image, Layer, OnEvent, PushRequest


class Images(Engine, Protocol):
    """The images of an engine. `Engine` lists the errors that every method may raise."""

    # Looking up -----------------------------------------------------------------------------------

    def image(self, reference: str) -> Image | None:
        """Look up a stored image by reference or id; ``None`` if it is not stored."""
        ...

    def images(self, labels: Mapping[str, str], *, unnamed: bool = False) -> Sequence[Image]:
        """List the stored images with all these labels, newest first, without their configuration.

        Keep the list short: Podman takes up to a tenth of a second for each listed image.

        Args:
            labels: an empty value matches any.
            unnamed: list only untagged images without child images.
        """
        ...

    # Making ---------------------------------------------------------------------------------------

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """Build an image; return its id.

        Raises:
            BuildError: a step failed; the build leaves nothing behind except the cache.
        """
        ...

    def left_builds(self) -> Sequence[str]:
        """List builds of this user whose host processes have certainly ended."""
        ...

    def end_build(self, build: str) -> None:
        """End a build that `left_builds` has listed, and remove its working files; an ended one is not an error."""
        ...

    def appends(self) -> bool:
        """Whether `append` is worth trying. Not every engine accepts a layer without the layers below."""
        ...

    def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
        """Add one layer to a stored image, without a build; return the new image's id.

        Everything else is as in the image below.

        Raises:
            EngineError: the engine does not accept it; nothing has changed.
        """
        ...

    def tag(self, image: str, reference: str) -> None:
        """Add a name to a stored image."""
        ...

    # Moving ---------------------------------------------------------------------------------------

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """Fetch an image from its registry.

        Raises:
            ImageNotFoundError: the registry does not have it, refuses, or cannot be reached.
        """
        ...

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """Push an image; return its digest in the registry, empty if the engine does not report it.

        Raises:
            PushError: the registry refused, or cannot be reached.
        """
        ...

    def add_referrer(self, reference: str, digest: str, artifact: Artifact) -> str:
        """Store a document in the registry of a pushed image, as an OCI referrer of it; return its digest there.

        Args:
            reference: the image's full reference.
            digest: that `push` has returned.
            artifact: the document.

        Raises:
            PushError: the registry refused, or cannot be reached.
        """
        ...

    def save(self, image: str) -> Iterator[bytes]:
        """Yield a stored image as an archive in the format of ``docker save``."""
        ...

    def load(self, archive: Iterable[bytes], reference: str) -> Image:
        """Store the image of an archive in the format of ``docker save``, with its single name in the archive.

        Raises:
            EngineError: the engine does not accept it.
        """
        ...

    # Removing -------------------------------------------------------------------------------------

    def remove_image(self, image: str) -> None:
        """Remove an image and its names; an absent one is not an error.

        Raises:
            EngineError: a container uses it.
        """
        ...
