"""The protocol for named volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from buildr.engines.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildr.engines.records import Volume


class Volumes(Engine, Protocol):
    """The volumes of an engine. `Engine` lists the errors that every method may raise."""

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a named volume; an existing one is kept as it is.

        Raises:
            EngineError: the engine has no volumes, or refuses.
        """
        ...

    def volumes(self, labels: Mapping[str, str], *, sizes: bool = False) -> Sequence[Volume]:
        """List the volumes with all these labels.

        Args:
            labels: an empty value matches any.
            sizes: whether to determine their sizes, which may take seconds.
        """
        ...

    def remove_volume(self, name: str) -> None:
        """Remove a volume and its contents; an absent one is not an error.

        Raises:
            EngineError: a container uses it.
        """
        ...
