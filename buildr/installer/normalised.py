"""What a build has added to the image below it, as one layer that is the same each time, on every engine.

An engine stores what a step has left: with the times of that moment, in an order and a form of its own, and with what it
mounted there meanwhile. So what was added is read in a container (`buildr.installer.changes`), and becomes the only layer on top of
the image below, without times of its own. Where the recipe alone decides what that is, its paths are read; where an installation does,
all files are compared with those of the image below.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import TYPE_CHECKING

from msgspec import Struct, to_builtins

from buildr import labels
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.engines.layer import Layer
from buildr.engines.records import Event
from buildr.errors import BuildError, ContainerError, EngineError, EngineLostError
from buildr.host import cache, temporary
from buildr.host.guard import Guard
from buildr.installer.installation import Installed, layer_content, layer_size, program
from buildr.installer.output import read_answer, receive
from buildr.run.lifecycle import create, remove
from buildr.run.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from buildr.engines.containers import Containers
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.plan.containerfile import Additions

__all__ = ["Build", "normalised", "read_paths"]

_PROGRAM = "buildr.installer.changes"
_PYTHON = 'exec "$(command -v python || command -v python3)" -BIS -c "$1"'
_KIND = "base-files"
_CHUNK = 1 << 16


class Build(Struct, frozen=True, kw_only=True):
    """What an engine has built."""

    base: str
    """The id of the image that it was built on."""
    image: str
    """Its id."""
    adds: Additions | None = None
    """What it has added; ``None``: a comparison has to tell."""
    kept: tuple[str, ...] = ()
    """Paths of what users have put there, which a comparison never leaves out."""
    labels: Mapping[str, str] = {}
    """What the image says about itself beyond what was built; an empty value removes a label."""
    created: int | None = None
    """The date that the image bears, in seconds since the epoch; ``None``: now."""


def normalised(backend: Backend, built: Build, progress: Progress) -> str:
    """Return the id of the image that has what was built as one layer; that of what was built where this cannot be had."""
    if not backend.appends():
        return built.image
    text = "one layer of what was built, the same each time"
    progress(Event(kind="step", text=text, current=1, total=1))
    try:
        # What is written there may be large: it goes at once when this process is killed.
        with temporary.folder(large=True) as folder, Guard(temporary.__name__, folder):
            archive = f"{folder}/layer.tar"
            changed = _read(backend, built, archive)
            layer = Layer(
                content=layer_content(changed, archive),
                size=layer_size(changed, archive),
                created_by=text,
                labels=built.labels,
                like=built.image,
                created=built.created,
            )
            return backend.append(built.base, layer, progress)
    except EngineLostError:
        raise
    except (BuildError, ContainerError, EngineError) as error:
        why = error.message if isinstance(error, EngineError) else error.hint
        progress(Event(kind="log", text=f"the layers stay as built: {error.what} {why}".rstrip()))
        return built.image


def _read(backend: Backend, built: Build, archive: str) -> Installed:
    """Write what was added to a file; return what is gone."""
    if built.adds is not None:
        with contextlib.suppress(EngineError):
            return read_paths(backend, built.image, built.adds, archive)
    image = backend.image(built.image)
    if image is None or image.volumes:
        raise EngineError("a container does not show all", message="the image has volumes")
    before = _files_of(backend, built.base, archive)
    order = b'{"before": %s, "kept": %s}' % (before, json.dumps(built.kept).encode())
    with open(archive, "wb") as file:
        return read_answer(_ask(backend, built.image, order, file), Installed)


def read_paths(backend: Containers, image: str, adds: Additions, archive: str) -> Installed:
    """Write some paths of an image to a file, as a tar archive.

    Args:
        backend: the engine.
        image: the image's id.
        adds: the paths.
        archive: the file.

    Raises:
        ContainerError: there can be no container of it.
        EngineError: they are not what a build makes, or cannot be read.
    """
    order = json.dumps(to_builtins(adds)).encode()
    with open(archive, "wb") as file:
        return read_answer(_ask(backend, image, order, file), Installed)


def _files_of(backend: Backend, image: str, rest: str) -> bytes:
    """Return the list of an image's files; the engine is asked only once."""
    name = cache.key(image, program(_PROGRAM))
    for part in cache.load(_KIND, name) or ():
        with contextlib.suppress(zlib.error):
            return zlib.decompress(part)
    with open(rest, "wb") as file:
        found = _ask(backend, image, b'{"list": true}', file).rstrip()
    cache.store(_KIND, name, zlib.compress(found))
    return found


def _ask(backend: Containers, image: str, order: bytes, rest: BinaryIO) -> bytes:
    """Run the program in a container of an image; return the line that it answers with.

    Args:
        backend: the engine.
        image: the image's id.
        order: the line that it reads.
        rest: gets what follows the answer.

    Raises:
        EngineError: it failed.
    """
    spec = ContainerSpec(
        image=image,
        entrypoint=("/bin/sh",),
        command=("-c", _PYTHON, "sh", program(_PROGRAM)),
        labels=ownership.labels(0, labels.HELPER_ROLE),
        logged=False,
        workdir="/",
        user="0:0",
    )
    info = backend.info
    said = _Said()
    with Watchdog(info.backend, info.endpoint, spec.labels[labels.RUN], 0) as watchdog:
        container = create(backend, spec, watchdog)
        try:
            with contextlib.closing(backend.attach(container, tty=False)) as streams:
                backend.start(container)
                with contextlib.suppress(EngineLostError):  # it ended early; its status says why
                    for start in range(0, len(order), _CHUNK):
                        streams.write(order[start : start + _CHUNK])
                    streams.write(b"\n")
                    streams.close_write()
                answer = receive(streams, rest, said)
                status = backend.wait(container)
        finally:
            remove(backend, container, watchdog)
    if status or not answer:
        raise EngineError("the files of an image cannot be read", message=said.last_line)
    return answer


class _Said:
    """The end of what the program says on standard error."""

    def __init__(self) -> None:
        self._end = b""

    def add(self, data: bytes) -> None:
        """Take output, cut anywhere."""
        self._end = (self._end + data)[-_CHUNK:]

    def flush(self) -> None:
        """Take its end."""

    @property
    def last_line(self) -> str:
        """The last line."""
        return self._end.decode(errors="replace").strip().rpartition("\n")[2]
