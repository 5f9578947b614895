"""Checks that a project's image is reproducible: builds it twice without a cache, and compares."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.archive.layers import read_layer
from buildr.archive.normal import contents
from buildr.archive.reader import ArchiveError
from buildr.archive.saved import take_apart
from buildr.context.entries import printable
from buildr.errors import EngineError
from buildr.host import temporary
from buildr.host.guard import Guard
from buildr.image.ensure import ensure_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from buildr.archive.layers import Node
    from buildr.archive.saved import Saved
    from buildr.engines.images import Images
    from buildr.engines.progress import Verbosity
    from buildr.engines.protocol import Backend
    from buildr.plan.project import Project

__all__ = ["Comparison", "build_twice", "differences"]

_MOST_LINES = 20


class Comparison(Struct, frozen=True, kw_only=True):
    """Two builds."""

    image: str
    """The id of the second image."""
    differences: tuple[str, ...]
    """The first differences, a line each; empty if the images are identical."""


def build_twice(
    backend: Backend, project: Project, say: Callable[[str], None], verbosity: Verbosity
) -> Comparison:
    """Build a project's image twice, without a cache, and compare.

    Raises:
        BuildError: a step failed.
        EngineError: the images differ, and cannot be read.
    """

    def build() -> str:
        return ensure_image(backend, project, say, verbosity=verbosity, cache=False, finished=True)

    first = build()
    kept = f"{project.local_name}:first-of-two"  # or housekeeping would remove it
    backend.tag(first, kept)
    try:
        second = build()
        found = () if first == second else _first_lines(differences(backend, first, second))
    finally:
        with suppress(EngineError):
            backend.remove_image(kept)
    return Comparison(image=second, differences=found)


def _first_lines(lines: Iterator[str]) -> tuple[str, ...]:
    found = [*islice(lines, _MOST_LINES + 1)]
    if not found:
        return ("the form in which the engine stores it",)
    return (*found[:_MOST_LINES], *(["and more"] if len(found) > _MOST_LINES else []))


def differences(backend: Images, first: str, second: str) -> Iterator[str]:
    """Yield the differences of two images, a line each: first paths in layers, then settings.

    Raises:
        EngineError: they cannot be read.
    """
    with temporary.folder(large=True) as folder, Guard(temporary.__name__, folder):
        try:
            one, other = (_saved(backend, image, folder) for image in (first, second))
            if len(one.layers) != len(other.layers):
                yield f"the number of layers: {len(one.layers)} and {len(other.layers)}"
            for number in range(min(len(one.layers), len(other.layers))):
                if one.digests[number] != other.digests[number]:
                    yield from _in_layers(number, one, other)
        except ArchiveError as error:
            raise EngineError(
                "the archive of an image cannot be read", message=str(error)
            ) from None
    yield from _in_settings("", _settings(one), _settings(other))


def _saved(backend: Images, image: str, folder: str) -> Saved:
    return take_apart(backend.save(image), tempfile.mkdtemp(dir=folder))


def _settings(image: Saved) -> dict[str, Any]:
    """Return what describes an image, without the digests of its layers."""
    return {key: value for key, value in image.configuration.items() if key != "rootfs"}


def _in_layers(number: int, one: Saved, other: Saved) -> Iterator[str]:
    ours, theirs = (_described(image.layers[number]) for image in (one, other))
    found = False
    for path in sorted({*ours, *theirs}):
        if ours.get(path) == theirs.get(path):
            continue
        found = True
        where = f"layer {number + 1}: {printable(f'/{path}')}"
        if path not in ours or path not in theirs:
            yield f"{where}: only in the {'first' if path in ours else 'second'}"
        else:
            names = (name for name in ours[path] if ours[path][name] != theirs[path][name])
            yield f"{where}: {', '.join(names)}"
    if not found:
        yield f"layer {number + 1}: the order of its files"


def _described(layer: str) -> dict[str, Mapping[str, object]]:
    found = read_layer(layer)
    gone = {"kind": b"gone"}
    return {
        **dict.fromkeys((*found.gone, *(f"{path}/*" for path in found.emptied)), gone),
        **{path: _attributes(node) for path, node in found.nodes.items()},
    }


def _attributes(node: Node) -> Mapping[str, object]:
    digest = hashlib.sha256()
    for chunk in contents(node):
        digest.update(chunk)
    return {
        "kind": node.kind,
        "content": digest.digest(),
        "link": node.link or node.group,
        "mode": node.mode,
        "owner": (node.uid, node.gid),
        "time": node.mtime,
        "attributes": node.attributes,
    }


def _in_settings(path: str, one: object, other: object) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            where = f"{path}.{name}" if path else str(name)
            yield from _in_settings(where, one.get(name), other.get(name))
    elif one != other:
        yield f"the setting {path}"
