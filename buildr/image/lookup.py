"""Finds a stored image: that of a project's state, or one that small changes turn into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from buildr.errors import ImageNotFoundError
from buildr.leftovers.last_image import Memory
from buildr.plan.fingerprint import may_serve

if TYPE_CHECKING:
    from buildr.context.delta import State
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Image
    from buildr.image.inputs import Inputs
    from buildr.leftovers.last_image import LastImage
    from buildr.plan.project import Project

_MOST_LAYERS = 20
"""After so many deltas an image is built clean: every one of them costs each start a little."""

Growth = Literal["clean", "images", "files"]
"""How small changes may be applied: only by a clean build; also by an image on top of the last one; or also by files
that are put into the container before it starts.
"""


class Ready(Struct, frozen=True, kw_only=True):
    """The image of a container, and the changes to apply."""

    image: str
    """Its image's id."""
    variables: tuple[str, ...] | None = None
    """Names of the variables that the image sets, where they are known."""
    files: bytes = b""
    """A tar archive to unpack into ``/app`` before it starts: what has changed since the image was built."""
    is_new: bool = False
    """Whether it was built clean just now, so that there may be older ones to remove: see `old_images`."""


class Lookup:
    """Finds the image of a state, or one that a small change turns into it.

    Args:
        backend: the engine.
        project: whose image it is.
        inputs: what a clean build would start from.

    Attributes:
        tag: the name of the clean image.
    """

    def __init__(self, backend: Backend, project: Project, inputs: Inputs) -> None:
        self._tree = inputs.sources.tree
        self.tag = inputs.frame.tag(self._tree.digest)
        self._grown_tag = inputs.frame.tag(self._tree.digest, grown=True)
        self._backend = backend
        self._project = project
        self._frame = inputs.frame
        self._bases = inputs.bases
        self._memory = Memory(project.key, backend)

    def find(self, growth: Growth, progress: Progress, *, trust: bool) -> Ready | None:
        """Return a stored or incremental image; ``None`` if a clean build is necessary."""
        grows = growth != "clean" and self._project.can_grow
        last = self._memory.last()
        tags = (self.tag, self._grown_tag) if grows else (self.tag,)
        if trust and last is not None and last.tag in tags:
            return Ready(image=last.id, variables=last.variables)
        stored = self._backend.image(self.tag)
        if stored is not None and may_serve(stored, self._project):
            if self._project.reference not in stored.tags:  # an earlier state has returned
                self._backend.tag(stored.id, self._project.reference)
            return self.remember(self.tag, stored)
        if last is None or not grows:
            return None
        if (stored := self._backend.image(self._grown_tag)) is not None:
            # The number of its layers is no longer known.
            layers = last.layers if last.tag == self._grown_tag else _MOST_LAYERS
            return self.remember(self._grown_tag, stored, layers=layers)
        old = self._state_of(last, trust=trust)
        return self._grow(last, old, growth, progress) if old else None

    def _state_of(self, last: LastImage, *, trust: bool) -> State | None:
        """Return the context of the last image; ``None`` if that image cannot be extended."""
        tag = self._frame.tag(last.tree, grown=last.layers > 0)
        if last.tag != tag:  # more than the context has changed
            return None
        if not trust:
            # Its name may belong to another image by now, if the same state has been rebuilt.
            stored = self._backend.image(tag)
            if stored is None or stored.id != last.id:
                return None
        return self._memory.state(last.tree)

    def _grow(
        self, last: LastImage, old: State, growth: Growth, progress: Progress
    ) -> Ready | None:
        from buildr.context.delta import State
        from buildr.image.base_content import place_in
        from buildr.image.incremental import files_to_put, grow, small_delta

        delta = small_delta(old, State(self._tree.scan.entries, self._tree.contents))
        places = [place_in(self._backend, base) for base in self._bases] if delta else []
        if delta is None or "other" in places or (delta.removed and "filled" in places):
            return None
        delta = replace(delta, pinned=self._tree.pinned)
        if growth == "files" and (files := files_to_put(self._project, delta)):
            return Ready(image=last.id, variables=last.variables, files=files)
        if last.layers >= _MOST_LAYERS:
            return None
        image = grow(self._backend, self._project, last.id, delta, progress)
        if image is None:
            return None
        self._backend.tag(image, self._grown_tag)
        return self.remember(self._grown_tag, image, layers=last.layers + 1)

    def remember(
        self, tag: str, image: Image | str, *, layers: int = 0, is_new: bool = False
    ) -> Ready:
        """Record an image; return it."""
        if isinstance(image, str):
            stored = self._backend.image(image)
            if stored is None:
                raise ImageNotFoundError(
                    f"the image {image} vanished after its build",
                    hint="It was removed just now; run again.",
                )
            image = stored
        self._memory.remember(
            tag, image, self._tree, layers=layers, with_state=self._project.can_grow
        )
        names = tuple(line.partition("=")[0] for line in image.environment)
        return Ready(image=image.id, variables=names, is_new=is_new)
