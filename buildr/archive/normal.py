"""Writes a layer of an image in one canonical form, independent of the engine and the time of the build.

The layer is determined only by the files before and after it. Paths are sorted. Folders are only listed if they are new, have
changed, or contain a change. Times are clamped, and leftovers of the engine and of package managers are removed. Python's
bytecode remains valid: its header contains the new time of its source.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from typing import TYPE_CHECKING, BinaryIO, Final

from msgspec import Struct

from buildr.archive.fields import ArchiveError
from buildr.archive.header import BLOCK, FILE, HARDLINK, padding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildr.archive.layers import Layer, Node, Tree

__all__ = ["Times", "changes", "contents", "left_behind", "write"]

_GONE: Final = ".wh."
_CHUNK: Final = 1 << 20
_PYC_HEADER: Final = 16  # bytes (PEP 552): a magic number, flags, time and size of the source
_PYC = re.compile(
    r"(?:(?P<cached>.*/|)__pycache__/(?P<name>[^/]+)\.[^/.]+(?:\.opt-[12])?|(?P<plain>.+))\.pyc"
)

# Mount points that an engine creates while a step runs, and leaves behind.
_PLACES: Final = frozenset(
    ("etc/hosts", "etc/hostname", "etc/resolv.conf", "run/.containerenv", ".dockerenv")
)
_FOLDERS: Final = frozenset(
    ("dev", "dev/mqueue", "dev/pts", "dev/shm", "proc", "run", "run/secrets", "sys")
)
_MOMENT: Final = re.compile(
    r"(?:(?:root|home/[^/]+)/\.cache/pip"
    r"|etc/machine-id|var/lib/dbus/machine-id"
    r"|var/cache/(?:apt|ldconfig)|var/cache/debconf/[^/]*-old|var/lib/apt/lists|var/lib/dpkg/[^/]*-old"
    r"|var/log/(?:apk\.log|alternatives\.log|apt|bootstrap\.log|dpkg\.log|fontconfig\.log)"
    r")(?:/.*|$)"
)
"""Logs and caches of programs that install something; nothing reads them in a container."""


class Times(Struct, frozen=True, kw_only=True):
    """The times of what is written, in seconds since the epoch."""

    latest: int
    """The maximum for files; earlier times are kept."""
    folder: int
    """For everything that is not a file."""
    kept: frozenset[str] = frozenset()
    """Files with layers that are not rewritten."""

    def of(self, node: Node) -> int:
        """Return the time of a path."""
        if node.kind != FILE:
            return self.folder
        return node.mtime if node.archive in self.kept else min(node.mtime, self.latest)


def left_behind(layer: Layer) -> set[str]:
    """Return the paths in the layer of a ``RUN`` step that are only leftovers of running it."""
    found = {
        path
        for path, node in layer.nodes.items()
        if _MOMENT.fullmatch(path) or (path in _PLACES and node.kind == FILE and not node.size)
    }
    rest = [path for path in layer.nodes if path not in found and path not in _FOLDERS]
    needed = {folder for folder in _FOLDERS for path in rest if path.startswith(f"{folder}/")}
    return found | (_FOLDERS & layer.nodes.keys()) - needed


def changes(below: Tree, layer: Layer, now: Tree) -> dict[str, Node | None]:
    """Return the minimal content of a layer, in its order; ``None`` for removed paths.

    Args:
        below: the paths below it.
        layer: the layer, as the engine wrote it.
        now: the paths including it.

    Raises:
        ArchiveError: a path lies below a file.
        OSError: a file cannot be read.
    """
    found: dict[str, Node | None] = {
        path: node for path, node in layer.nodes.items() if not _stays(node, below.get(path))
    }
    for path in layer.hidden(below):
        folder = path.rpartition("/")[0]
        if path not in now and _is_folder(folder, now) and _is_folder(folder, below):
            found[path] = None
    for path in [*found]:
        at = path.rfind("/")
        while at >= 0:
            folder = path[:at]
            if not _is_folder(folder, now):
                raise ArchiveError(f"{path} lies below what is not a folder")
            if folder in found:
                break
            found[folder] = now[folder]
            at = path.rfind("/", 0, at)
    return dict(sorted(found.items(), key=lambda row: os.fsencode(row[0])))


def _is_folder(path: str, tree: Tree) -> bool:
    return not path or (path in tree and tree[path].is_folder)


def _stays(node: Node, below: Node | None) -> bool:
    """Whether a path is unchanged. Contents are compared, because two steps may write a file within one second."""
    if below is None or not node.is_like(below):
        return False
    return node.kind != FILE or all(
        one == other for one, other in zip(contents(node), contents(below), strict=True)
    )


def write(
    output: BinaryIO,
    content: Mapping[str, Node | None],
    now: Tree,
    times: Times,
) -> str:
    """Write a layer; return its digest, ``sha256:…``.

    Args:
        output: the file to write to.
        content: from `changes`.
        now: the paths including the layer.
        times: the times to write.

    Raises:
        OSError: a file cannot be read or written.
    """
    digest = hashlib.sha256()
    leaders: dict[str, str] = {}

    def put(data: bytes) -> None:
        digest.update(data)
        output.write(data)

    for path, node in content.items():
        if node is None:
            folder, slash, name = path.rpartition("/")
            put(_header(f"{folder}{slash}{_GONE}{name}", None, times.folder))
            continue
        leader = leaders.setdefault(node.group, path) if node.group else path
        if leader != path:
            put(_header(path, node, times.of(node), link=leader))
            continue
        put(_header(path, node, times.of(node)))
        if node.kind == FILE:
            for chunk in _content(path, node, now, times):
                put(chunk)
            put(padding(node.size))
    put(bytes(2 * BLOCK))
    return f"sha256:{digest.hexdigest()}"


def _header(path: str, node: Node | None, time: int, *, link: str = "") -> bytes:
    info = tarfile.TarInfo(path)
    info.mtime = time
    if node is None:
        info.mode = 0
    else:
        info.type = HARDLINK if link else node.kind
        info.mode, info.uid, info.gid = node.mode, node.uid, node.gid
        info.size = node.size if info.type == FILE else 0
        info.linkname = link or node.link
        info.devmajor, info.devminor = node.device
        if not link:
            info.pax_headers = {
                f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
                for name, value in node.attributes
            }
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(path: str, node: Node, now: Tree, times: Times) -> Iterator[bytes]:
    chunks = contents(node)
    if path.endswith(".pyc") and node.size >= _PYC_HEADER:
        first = next(chunks)
        yield _with_time(first[:_PYC_HEADER], _source(path, now), times) + first[_PYC_HEADER:]
    yield from chunks


def contents(node: Node) -> Iterator[bytes]:
    """Yield the content of a file; nothing for other kinds.

    Raises:
        OSError: the file with the layer cannot be read.
    """
    if not node.archive:
        return
    with open(node.archive, "rb") as file:
        file.seek(node.offset)
        left = node.size
        while left:
            chunk = file.read(min(left, _CHUNK))
            if not chunk:
                raise OSError(f"{node.archive} ends early")
            left -= len(chunk)
            yield chunk


def _with_time(head: bytes, source: Node | None, times: Times) -> bytes:
    """Return the header of bytecode with the new time of its source.

    Hash-based bytecode, which the flags indicate, contains no time.
    """
    if head[2:4] != b"\r\n" or head[4:8] != bytes(4):
        return head
    named = int.from_bytes(head[8:12], "little")
    if source is None or source.mtime & 0xFFFFFFFF != named:
        return head[:8] + min(named, times.latest).to_bytes(4, "little") + head[12:]
    return head[:8] + (times.of(source) & 0xFFFFFFFF).to_bytes(4, "little") + head[12:]


def _source(path: str, now: Tree) -> Node | None:
    match = _PYC.fullmatch(path)
    if match is None:
        return None
    stem = match["plain"] or f"{match['cached']}{match['name']}"
    return now.get(f"{stem}.py")
