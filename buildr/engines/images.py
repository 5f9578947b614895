"""The images of an engine: look-up, build, transfer, removal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from buildr.engines.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from buildr.engines.records import BuildRequest, Image, Layer, OnEvent, PushRequest


class Images(Engine, Protocol):
    """An engine, as far as its images are concerned. For what each method may raise see `Engine`, too."""

    # Looking up -----------------------------------------------------------------------------------

    def image(self, reference: str) -> Image | None:
        """Look up a stored image by reference or id; ``None`` when it is not stored."""
        ...

    def images(self, labels: Mapping[str, str], *, unnamed: bool = False) -> Sequence[Image]:
        """List the stored images that carry all these labels, newest first (without their configuration).

        Ask for no more than is needed: Podman takes up to a tenth of a second for each image that it lists.

        Args:
            labels: an empty value matches any.
            unnamed: only those that have no name and that no other image is made from.
        """
        ...

    # Making ---------------------------------------------------------------------------------------

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """Build an image; return its id.

        Raises:
            BuildError: a step failed; nothing of the build is left behind but the cache.
        """
        ...

    def left_builds(self) -> Sequence[str]:
        """List this user's builds that continue although their host processes have certainly ended, as far as that is known."""
        ...

    def end_build(self, build: str) -> None:
        """End a build that `left_builds` has listed, and remove what it works in; one that has ended is fine."""
        ...

    def appends(self) -> bool:
        """Whether `append` is worth trying: not every engine accepts a layer without the layers below it."""
        ...

    def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
        """Add one layer to a stored image, without a build; return the new image's id.

        Everything else is as in the image below.

        Raises:
            EngineError: the engine does not accept it; nothing has changed.
        """
        ...

    def tag(self, image: str, reference: str) -> None:
        """Give a stored image one more name."""
        ...

    # Moving ---------------------------------------------------------------------------------------

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """Fetch an image from its registry.

        Raises:
            ImageNotFoundError: the registry does not have it, refuses, or cannot be reached.
        """
        ...

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """Push an image; return the digest under which the registry has it, empty where the engine does not report it.

        Raises:
            PushError: the registry refused, or cannot be reached.
        """
        ...

    def save(self, image: str) -> Iterator[bytes]:
        """Stream a stored image as an archive in the format of ``docker save``."""
        ...

    def load(self, archive: Iterable[bytes], reference: str) -> Image:
        """Store the image of an archive in the format of ``docker save``, under the one name that it has there.

        Raises:
            EngineError: the engine does not accept it.
        """
        ...

    # Removing -------------------------------------------------------------------------------------

    def remove_image(self, image: str) -> None:
        """Remove an image and its names; an absent one is fine.

        Raises:
            EngineError: a container uses it.
        """
        ...
