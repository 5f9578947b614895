"""The named volumes of an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from buildr.engines.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildr.engines.records import Volume


class Volumes(Engine, Protocol):
    """An engine, as far as its volumes are concerned. For what each method may raise see `Engine`, too."""

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume; one that exists stays as it is.

        Raises:
            EngineError: the engine has no volumes, or refuses.
        """
        ...

    def volumes(self, labels: Mapping[str, str], *, sizes: bool = False) -> Sequence[Volume]:
        """List the volumes that carry all these labels.

        Args:
            labels: an empty value matches any.
            sizes: whether to ask how large they are, which may take seconds.
        """
        ...

    def remove_volume(self, name: str) -> None:
        """Remove a volume and what is in it; an absent one is fine.

        Raises:
            EngineError: a container uses it.
        """
        ...
