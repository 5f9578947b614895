"""Layers of options, and how they are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.engines.registry import DECORATOR
from buildr.errors import Message, OptionError, OptionName
from buildr.options import (
    Package,
    Runtime,
    complete_package,
    complete_runtime,
    conflict,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["DECORATOR", "DEFAULT", "Layer", "Reach", "Settings", "merge"]

DEFAULT = "default"


class Layer(Struct, frozen=True, kw_only=True):
    """The options that one place gives, each valid by itself.

    Attributes:
        package: those of the image, by name.
        runtime: those of the run, by name.
        backend: the engine for both, where this place can name one.
        origin: the name of the place, for messages.
        origins: its name for single options, by ``package.tag`` or ``backend``.
        is_command_line: whether it takes precedence over the variables.
    """

    package: Mapping[str, Any] = {}
    runtime: Mapping[str, Any] = {}
    backend: str | None = None
    origin: str
    origins: Mapping[str, str] = {}
    is_command_line: bool = False

    def origin_of(self, option: str) -> str:
        """Return the name of the place that sets an option."""
        return self.origins.get(option, self.origin)


class Reach(Struct, frozen=True):
    """One request of an option beyond the project's folder and a private network.

    Attributes:
        option: ``runtime.mounts``.
        what: a description for users.
    """

    option: str
    what: str


class Settings(Struct, frozen=True, kw_only=True):
    """The options of a program, from all places.

    Attributes:
        package: the options of the image.
        runtime: the options of the run.
        origins: where each option that is not a default comes from, by ``package.tag``.
        asks: what the project's file asks for beyond its folder and a private network: see `buildr.config.trust`.
        shows: what the decorator asks for beyond them.
        file: the absolute path of the project's file; empty: there is none.
        project: the absolute path of the project's folder.
        trusted: whether the command line agrees to what the file asks for.
    """

    package: Package
    runtime: Runtime
    origins: Mapping[str, str]
    asks: tuple[Reach, ...] = ()
    shows: tuple[Reach, ...] = ()
    file: str = ""
    project: str = ""
    trusted: bool = False


def merge(layers: Sequence[Layer]) -> Settings:
    """Merge layers.

    An option of a higher layer replaces that of a lower one as a whole, except that ``env`` is merged by variable. It also
    removes those options of lower layers that it cannot be combined with.

    Args:
        layers: the highest first.

    Raises:
        OptionError: options of one layer cannot be combined, or one needs another.
    """
    package: dict[str, Any] = {}
    runtime: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        above = dict(package)
        for name, value in layer.package.items():
            both = {**above, name: value}
            if not any(other == name or conflict(other, name, both) for other in above):
                package[name] = value
                origins[f"package.{name}"] = layer.origin_of(f"package.{name}")
        for name, value in layer.runtime.items():
            if name not in runtime:
                runtime[name] = value
                origins[f"runtime.{name}"] = layer.origin_of(f"runtime.{name}")
            elif name == "env" and not value.keys() <= runtime[name].keys():
                runtime[name] = {**value, **runtime[name]}
                origins["runtime.env"] += f", {layer.origin_of('runtime.env')}"
        named = "executor" in runtime or "builder" in package
        if layer.backend is not None and not named:
            runtime["executor"] = layer.backend
            origins["runtime.executor"] = layer.origin_of("backend")
    try:
        return Settings(
            package=complete_package(package), runtime=complete_runtime(runtime), origins=origins
        )
    except OptionError as error:
        raise _with_origins(error, origins) from None


def _with_origins(error: OptionError, origins: Mapping[str, str]) -> OptionError:
    """Add the origins of options to an error, unless they are the decorator or the command line."""
    places = [
        Message("\n", OptionName(option), f" is from {origins[option]}")
        for option in error.options
        if option in origins and origins[option] != DECORATOR and origins[option][0] != "-"
    ]
    return OptionError(error.what, hint=Message(error.hint, *places))
