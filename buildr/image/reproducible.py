"""Whether a project's image is the same each time: it is built twice, without a cache, and what differs is named."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from contextlib import suppress
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Self, TypeAlias, cast

from buildr.context.entries import printable
from buildr.errors import BuildError, EngineError
from buildr.image.ensure import ensure_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.engines.images import Images
    from buildr.engines.progress import Verbosity
    from buildr.engines.protocol import Backend
    from buildr.plan.project import Project

__all__ = ["build_twice", "differences"]

_MOST_LINES = 10
_CHUNK = 1 << 20
_SETTINGS_BYTES = 1 << 26  # of what describes an image in its archive

_Member: TypeAlias = dict[str, object]


def build_twice(
    backend: Backend, project: Project, say: Callable[[str], None], verbosity: Verbosity
) -> str:
    """Build a project's image twice, without a cache; return its id.

    Raises:
        BuildError: a step failed, or the images differ, and how.
    """
    first = ensure_image(backend, project, say, verbosity=verbosity, cache=False)
    kept = f"{project.local_name}:first-of-two"  # or housekeeping would remove it
    backend.tag(first, kept)
    try:
        second = ensure_image(backend, project, say, verbosity=verbosity, cache=False)
        if first == second:
            say(f"reproducible: two builds gave the same image, {second}")
            return second
        found = [*islice(differences(backend, first, second), _MOST_LINES + 1)]
    finally:
        with suppress(EngineError):
            backend.remove_image(kept)
    lines = found[:_MOST_LINES] or ["the form in which the engine stores it"]
    more = ["and more"] if len(found) > _MOST_LINES else []
    raise BuildError(
        f"two builds of {project.reference} gave two images, {first} and {second}",
        hint="They differ in:\n"
        + "\n".join(f"  {line}" for line in (*lines, *more))
        + "\nWhat a step takes from elsewhere has to be the same each time: packages by a lock, the base image by its digest.",
    )


def differences(backend: Images, first: str, second: str) -> Iterator[str]:
    """Yield in one line each how two images differ: paths in their layers, then settings."""
    with _Saved(backend, first) as one, _Saved(backend, second) as other:
        if len(one.layers) != len(other.layers):
            yield f"the number of layers: {len(one.layers)} and {len(other.layers)}"
        for number, (ours, theirs) in enumerate(zip(one.layers, other.layers, strict=False)):
            if ours[0] != theirs[0]:
                yield from _in_layers(number + 1, one.members(ours[1]), other.members(theirs[1]))
        yield from _in_settings("", one.settings, other.settings)


class _Saved:
    """An image as an archive in the format of ``docker save``; a context manager.

    Attributes:
        settings: its configuration, without the digests of its layers.
        layers: digest and name in the archive of each.
    """

    def __init__(self, backend: Images, image: str) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the exit
        for chunk in backend.save(image):
            self._file.write(chunk)
        self._file.seek(0)
        try:
            self._archive = tarfile.open(fileobj=self._file)  # noqa: SIM115 - likewise
            (manifest,) = self._json("manifest.json")
            self.settings: dict[str, Any] = self._json(manifest["Config"])
            digests = self.settings.pop("rootfs", {}).get("diff_ids") or manifest["Layers"]
            self.layers = [*zip(digests, manifest["Layers"], strict=True)]
        except (tarfile.TarError, KeyError, TypeError, ValueError) as error:
            raise EngineError(
                "the archive of an image cannot be read", message=str(error)
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()
        self._file.close()

    def members(self, layer: str) -> dict[str, _Member]:
        """Return what a layer says of each path."""
        with tarfile.open(fileobj=self._open(layer)) as archive:
            return {f"/{member.name}": _described(archive, member) for member in archive}

    def _json(self, name: str) -> Any:
        return json.loads(self._open(name).read(_SETTINGS_BYTES))

    def _open(self, name: str) -> IO[bytes]:
        file = self._archive.extractfile(name)
        if file is None:
            raise KeyError(name)
        return file


def _described(archive: tarfile.TarFile, member: tarfile.TarInfo) -> _Member:
    digest = hashlib.sha256()
    if member.isreg():
        file = cast(IO[bytes], archive.extractfile(member))
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return {
        "kind": member.type,
        "content": digest.digest(),
        "link": member.linkname,
        "mode": member.mode,
        "owner": (member.uid, member.gid),
        "time": member.mtime,
        "attributes": member.pax_headers,
    }


def _in_layers(number: int, one: dict[str, _Member], other: dict[str, _Member]) -> Iterator[str]:
    found = False
    for path in sorted({*one, *other}):
        ours, theirs = one.get(path), other.get(path)
        if ours == theirs:
            continue
        found = True
        where = f"layer {number}: {printable(path)}"
        if ours is None or theirs is None:
            yield f"{where}: only in the {'second' if ours is None else 'first'}"
        else:
            yield f"{where}: {', '.join(name for name in ours if ours[name] != theirs[name])}"
    if not found:
        yield f"layer {number}: the order of its files"


def _in_settings(path: str, one: object, other: object) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            where = f"{path}.{name}" if path else str(name)
            yield from _in_settings(where, one.get(name), other.get(name))
    elif one != other:
        yield f"the setting {path}"
