"""The images of a fake engine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.engines.records import Event, Image
from buildr.errors import EngineError
from buildr.testing.archive import saved
from buildr.testing.build import configuration, read_build
from buildr.testing.engine import FakeEngine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from buildr.engines.artifact import Artifact
    from buildr.engines.records import (
        BuildRequest,
        EngineInfo,
        Layer,
        OnEvent,
        PushRequest,
    )
    from buildr.testing.build import FakeBuild


class FakeImages(FakeEngine):
    """`buildr.engines.images.Images` of a fake engine. Every registry has every image."""

    def __init__(self, info: EngineInfo) -> None:
        super().__init__(info)
        self.builds: list[FakeBuild] = []
        self.pulled: list[str] = []
        self.pushed: list[PushRequest] = []
        self.referrers: list[tuple[str, Artifact]] = []

    def add_image(self, reference: str, image: Image | None = None) -> Image:
        """Store an image, as if it had been pulled.

        Args:
            reference: its name.
            image: its configuration, whose id may be empty; by default that of a Python image.
        """
        image = image or Image(id="", command=("python3",), environment=("LANG=C.UTF-8",))
        return self._images.name(self._images.add(image, reference).id, reference)

    def image(self, reference: str) -> Image | None:
        """See `buildr.engines.images.Images.image`."""
        self._called("image")
        return self._images.find(reference)

    def images(self, labels: Mapping[str, str], *, unnamed: bool = False) -> Sequence[Image]:
        """See `buildr.engines.images.Images.images`."""
        self._called("images")
        return [row for row in self._images.list(labels) if not (unnamed and row.tags)]

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """See `buildr.engines.images.Images.pull`."""
        self._called("pull")
        self.pulled.append(reference)
        on_event(Event(kind="transfer", text=f"pulling {reference}"))
        return self.add_image(reference)

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.images.Images.build`."""
        build = read_build(request)
        self.builds.append(build)
        self._called("build")
        image = configuration(build.containerfile, self._images.find, on_event)
        image = replace(image, labels={**image.labels, **build.labels})
        # What was built before from the same files is the same image, unless the cache must not be used.
        fresh = "" if build.cache else str(next(self._ids))
        digest = hashlib.sha256(build.archive).hexdigest()
        stored = self._images.add(image, f"{digest} {sorted(build.labels.items())} {fresh}")
        for tag in build.tags:
            self._images.name(stored.id, tag)
        return stored.id

    def appends(self) -> bool:
        """See `buildr.engines.images.Images.appends`: everything is built, so that all files of it can be looked at."""
        self._called("appends")
        return False

    def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:  # noqa: ARG002 - the protocol's signature
        """See `buildr.engines.images.Images.append`."""
        self._called("append")
        raise EngineError("a fake engine takes no layers", status=501, message="not implemented")

    def left_builds(self) -> Sequence[str]:
        """See `buildr.engines.images.Images.left_builds`: none."""
        self._called("left_builds")
        return ()

    def end_build(self, build: str) -> None:  # noqa: ARG002 - the protocol's signature
        """See `buildr.engines.images.Images.end_build`."""
        self._called("end_build")

    def tag(self, image: str, reference: str) -> None:
        """See `buildr.engines.images.Images.tag`."""
        self._called("tag")
        self._images.name(image, reference)

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.images.Images.push`."""
        self._called("push")
        image = self._images.get(request.image)
        on_event(Event(kind="transfer", text=f"pushing {request.reference}"))
        self.pushed.append(request)
        return image.id

    def add_referrer(self, reference: str, digest: str, artifact: Artifact) -> str:
        """See `buildr.engines.images.Images.add_referrer`; it is kept with the digest of its image."""
        self._called("add_referrer")
        self._images.get(digest)
        self.referrers.append((digest, artifact))
        return f"sha256:{hashlib.sha256(reference.encode() + artifact.data).hexdigest()}"

    def remove_image(self, image: str) -> None:
        """See `buildr.engines.images.Images.remove_image`."""
        self._called("remove_image")
        found = self._images.find(image)
        if found is None:
            return
        if any(run.spec.image == found.id and not run.removed for run in self.runs):
            raise EngineError("a container uses the image", status=409, message="in use")
        self._images.remove(image)

    def save(self, image: str) -> Iterator[bytes]:
        """See `buildr.engines.images.Images.save`; the archive has no layers."""
        self._called("save")
        return iter((saved(self._images.get(image)),))

    def load(self, archive: Iterable[bytes], reference: str) -> Image:
        """See `buildr.engines.images.Images.load`; nothing of the archive is looked at."""
        self._called("load")
        for _ in archive:
            pass
        return self.add_image(reference)
