"""A record of the last image of a project on an engine, so that a run need not look it up.

It is kept in the cache (`buildr.host.cache`). The image is recorded by its name, which is a digest of its content. A
wrong record is therefore not used, or names an image that the engine does not have; then the image is looked up or
built as usual.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from buildr.host import cache

if TYPE_CHECKING:
    from buildr.context.delta import State
    from buildr.context.index import Snapshot
    from buildr.engines.engine import Engine
    from buildr.engines.records import Image

_LAST = "last"
_STATE = "state"


class LastImage(msgspec.Struct, frozen=True, array_like=True):
    """The last image.

    Attributes:
        tag: its name.
        id: its id on the engine.
        variables: the names of the variables that it sets.
        tree: the digest of its context.
        layers: the number of deltas on top of the clean image.
    """

    tag: str
    id: str
    variables: tuple[str, ...]
    tree: str
    layers: int


class Memory:
    """The memory of one project and engine.

    Args:
        project: the project's key.
        backend: the engine.
    """

    def __init__(self, project: str, backend: Engine) -> None:
        self._name = cache.key(project, backend.info.backend, backend.info.endpoint)

    def last(self) -> LastImage | None:
        """Return the last image; ``None`` if none is recorded."""
        parts = cache.load(_LAST, self._name)
        if parts is None or len(parts) != 1:
            return None
        try:
            return msgspec.msgpack.decode(parts[0], type=LastImage)
        except msgspec.DecodeError:
            return None

    def state(self, tree: str) -> State | None:
        """Return the state of a context; ``None`` if another one is recorded.

        Args:
            tree: its digest.
        """
        from buildr.context.delta import State

        parts = cache.load(_STATE, self._name)
        # It differs if a parallel run has written it, or was killed between writing the two files.
        if parts is None or len(parts) != 2 or parts[0] != tree.encode():
            return None
        try:
            return msgspec.msgpack.decode(parts[1], type=State)
        except msgspec.DecodeError:
            return None

    def remember(
        self, tag: str, image: Image, tree: Snapshot, *, layers: int, with_state: bool
    ) -> None:
        """Record an image.

        Args:
            tag: its name.
            image: the image.
            tree: its context.
            layers: the number of deltas on top of the clean image.
            with_state: whether to record the state of its context, for later deltas.
        """
        variables = tuple(line.partition("=")[0] for line in image.environment)
        last = LastImage(tag, image.id, variables, tree.digest, layers)
        try:
            if with_state:
                from buildr.context.delta import State

                state = msgspec.msgpack.encode(State(tree.scan.entries, tree.contents))
                cache.store(_STATE, self._name, tree.digest.encode(), state)
            cache.store(_LAST, self._name, msgspec.msgpack.encode(last))
        except UnicodeEncodeError:
            return  # a file name is not UTF-8: such a context is always built clean
