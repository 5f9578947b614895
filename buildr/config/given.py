"""The effective options of one place, and the base directories of its relative paths."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildr.config.layers import Layer, Settings
    from buildr.config.project_folder import Folder
    from buildr.options import Package, Runtime

__all__ = ["Given", "Places", "given_by"]


class Places(Struct, frozen=True, kw_only=True):
    """The base directories of one place.

    Attributes:
        folder: the project's.
        start: the absolute path at which relative paths of mounts, of files of variables and of the context start.
        context: that of the context, at which all others do.
    """

    folder: Folder
    start: str
    context: str


class Given(Struct, frozen=True, kw_only=True):
    """The options of one place, and the effective options.

    Attributes:
        values: what this place gives and no higher place replaces, by ``runtime.mounts``.
        passed: variables of the host that this place passes on.
        package: the options of the image that hold.
        runtime: the options of the run that hold.
        places: where its paths are.
    """

    values: Mapping[str, Any]
    passed: tuple[str, ...]
    package: Package
    runtime: Runtime
    places: Places

    def outside(self, path: str, base: str = "") -> str:
        """Return the absolute path of a file that is not the project's; empty: it is.

        Args:
            path: as it was given.
            base: the absolute path at which a relative one starts; empty: the context.
        """
        full = os.path.join(base or self.places.context, os.path.expanduser(path))
        return "" if self.places.folder.holds(full) else os.path.normpath(full)


def given_by(layer: Layer, settings: Settings, higher: Sequence[Layer], places: Places) -> Given:
    """Return the options of a layer that no higher one replaces.

    Args:
        layer: the place.
        settings: what came of all layers.
        higher: the layers above it.
        places: where the paths of this place are.
    """
    values = {
        key: value
        for group, options in (("package", layer.package), ("runtime", layer.runtime))
        for name, value in options.items()
        if settings.origins.get(key := f"{group}.{name}") == layer.origin_of(key)
    }
    if layer.backend is not None and settings.runtime.executor == layer.backend:
        values["backend"] = layer.backend
    # Of `env`, which is merged by variable, each name has a place of its own.
    above = {name for one in higher for name in one.runtime.get("env", {})}
    own = layer.runtime.get("env", {})
    passed = tuple(name for name in own if own[name] is None and name not in above)
    if passed:
        values["runtime.env"] = own
    return Given(
        values=values,
        passed=passed,
        package=settings.package,
        runtime=settings.runtime,
        places=places,
    )
