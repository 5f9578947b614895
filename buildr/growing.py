"""Small changes: what has changed since the last image goes on top of it, in place of a build from the start.

Two ways, both measured (docs/performance.md). Files are put into the created container before it starts: the quickest, as
no image is made, but it takes a little on every run, and can neither remove a file nor write where nothing may be
written or something is mounted. Or an image is built from the last one: it costs more, once, and can do all that. Whatever
a delta cannot express, or not cheaply, is built clean.

What the last image holds is known from a file in the cache (see `buildr.cache`); that it is the image of just that state
is known from its tag, which is a digest of the state. So a file that is wrong leads to a clean build and never to a wrong
image.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from buildr import cache
from buildr.backend import BuildRequest
from buildr.build_lock import building
from buildr.containerfile import render_growth
from buildr.context.delta import State, difference
from buildr.context.tar import Member, Tree, pack
from buildr.errors import BuildError
from buildr.staging import CONTAINERFILE, counted

if TYPE_CHECKING:
    from buildr.backend import Backend, Image
    from buildr.context.delta import Delta
    from buildr.context.index import Snapshot
    from buildr.context.tar import Part
    from buildr.image import Frame, Growth
    from buildr.progress import Progress
    from buildr.project import Project

_LAST = "last"
_STATE = "state"
_LAYERS = 20  # after which an image is built clean: every one of them costs each start a little
_PUT_BYTES = 4 << 20  # more takes longer on every run than an image costs once
_PUT_ENTRIES = 400
_FREE_BYTES = 1 << 20  # a delta that small is always worth it
_MOST_REMOVED = 16 << 10  # bytes of names that one instruction takes; Docker reads lines of 64 KiB


class _Last(msgspec.Struct, frozen=True, array_like=True):
    """The last image of a project on an engine.

    Attributes:
        tree: the digest of its context.
        layers: how many deltas it has grown by.
    """

    tree: str
    layers: int


class Past:
    """What is known of the last image of a project on an engine.

    Args:
        backend: the engine.
        project: the project.
        frame: what decides the image beside the context.
    """

    def __init__(self, backend: Backend, project: Project, frame: Frame) -> None:
        self._backend = backend
        self._project = project
        self._frame = frame
        self._name = cache.key(project.key, backend.info.backend, backend.info.endpoint)

    def remember(self, tree: Snapshot, *, layers: int = 0) -> None:
        """Note that the last image is that of a state.

        Args:
            tree: the state of its context.
            layers: how many deltas the image has grown by.
        """
        last = self._last()
        if not self._can_grow() or (last is not None and last.tree == tree.digest):
            return
        try:
            state = msgspec.msgpack.encode(State(tree.scan.entries, tree.contents))
        except UnicodeEncodeError:
            return  # a name that is no UTF-8: such a context is always built clean
        cache.store(_STATE, self._name, tree.digest.encode(), state)
        cache.store(_LAST, self._name, msgspec.msgpack.encode(_Last(tree.digest, layers)))

    def grow(self, tree: Snapshot, growth: Growth, progress: Progress) -> tuple[str, bytes] | None:
        """Return an image, and the files that make it that of a state; ``None`` when it must be built clean.

        Args:
            tree: the state that is wanted.
            growth: what may be done.
            progress: told of what is built.

        Raises:
            ContextError: a file cannot be read.
        """
        last = self._last()
        if last is None or not self._can_grow():
            return None
        if stored := self._backend.image(self._frame.tag(tree.digest, grown=True)):
            self.remember(
                tree, layers=_LAYERS
            )  # how many is not known any more, unless it is the last
            return stored.id, b""
        return self._grow_from(last, tree, growth, progress)

    def _grow_from(
        self, last: _Last, tree: Snapshot, growth: Growth, progress: Progress
    ) -> tuple[str, bytes] | None:
        base = self._backend.image(self._frame.tag(last.tree, grown=last.layers > 0))
        old = self._state(last.tree)
        if base is None or old is None:
            return None
        new = State(tree.scan.entries, tree.contents)
        delta = difference(old, new)
        if delta is not None and growth == "files" and _can_be_put(delta):
            return base.id, self._files(delta)
        if delta is None or last.layers >= _LAYERS or not _is_worth_it(delta, new):
            return None
        image = self._build(base, delta, progress)
        if image is None:
            return None
        self._backend.tag(image, self._frame.tag(tree.digest, grown=True))
        self.remember(tree, layers=last.layers + 1)
        return image, b""

    def _files(self, delta: Delta) -> bytes:
        parts: list[Part] = [Tree(entries=delta.put, root=self._project.context)]
        return b"".join(pack(parts, owner=int(self._project.recipe.user)))

    def _can_grow(self) -> bool:
        """Whether an image's ``/app`` holds the context and nothing else, untouched by the build."""
        recipe = self._project.recipe
        in_app = any(f"{file.destination}/".startswith("/app/") for file in recipe.files)
        return not (self._project.dockerfile or recipe.source_first or in_app)

    def _last(self) -> _Last | None:
        parts = cache.load(_LAST, self._name)
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.msgpack.decode(parts[0], type=_Last) if parts else None
        return None

    def _state(self, tree: str) -> State | None:
        """Return what was noted of a state; not what a run beside this one has noted meanwhile."""
        parts = cache.load(_STATE, self._name)
        if parts is None or len(parts) != 2 or parts[0] != tree.encode():
            return None
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.msgpack.decode(parts[1], type=State)
        return None

    def _build(self, base: Image, delta: Delta, progress: Progress) -> str | None:
        """Build an image from another one; ``None`` where that cannot be done."""
        try:
            text = render_growth(
                base.id, self._project.recipe.user, delta.removed, put=bool(delta.put)
            )
        except UnicodeEncodeError:
            return None
        if sum(map(len, delta.removed)) > _MOST_REMOVED:
            return None
        parts: list[Part] = [
            Member(path=CONTAINERFILE, data=text.encode()),
            Tree(entries=delta.put, root=self._project.context, prefix="context"),
        ]
        request = BuildRequest(context=counted(pack(parts), progress), containerfile=CONTAINERFILE)
        try:
            with building():
                return self._backend.build(request, progress)
        except BuildError:
            return None  # a clean build says what is wrong, if anything is


def _is_worth_it(delta: Delta, new: State) -> bool:
    return delta.size <= max(_FREE_BYTES, sum(entry.size for entry in new.entries) // 2)


def _can_be_put(delta: Delta) -> bool:
    small = delta.size <= _PUT_BYTES and len(delta.put) <= _PUT_ENTRIES
    return small and not delta.removed
