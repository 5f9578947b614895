"""Reads layers of an image, and applies them to a tree of paths.

A layer is a tar archive in which ``.wh.NAME`` removes a path and ``.wh..wh..opq`` hides everything below a folder:
https://github.com/opencontainers/image-spec/blob/main/layer.md. Only names and attributes are held in memory, not the contents.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from buildr.archive.header import DIRECTORY, FILE, HARDLINK
from buildr.archive.reader import ArchiveError, TarReader
from buildr.host.limits import LAYER_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from buildr.archive.reader import Found

__all__ = ["Layer", "Node", "Tree", "above", "read_layer"]

_GONE: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_CHUNK: Final = 1 << 20
# Attributes of the host's file system and its SELinux labels are not part of an image.
_KEPT_ATTRIBUTES: Final = ("security.capability", "user.")
_DROPPED_ATTRIBUTES: Final = ("user.overlay.", "user.fuseoverlayfs.", "user.containers.")


class Node(Struct, frozen=True, kw_only=True):
    """One path of an image."""

    kind: bytes
    """The type flag of tar."""
    mode: int
    uid: int
    gid: int
    mtime: int
    """Seconds since the epoch."""
    size: int = 0
    link: str = ""
    """Target of a link."""
    device: tuple[int, int] = (0, 0)
    attributes: tuple[tuple[str, bytes], ...] = ()
    archive: str = ""
    """The file with the layer that contains the content."""
    offset: int = 0
    """The position in it, in bytes."""
    group: str = ""
    """Identifies a file with several names; empty for others."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.kind == DIRECTORY

    def is_like(self, other: Node | None) -> bool:
        """Whether all attributes are equal; the content is not compared."""
        if other is None or (self.kind, self.mode, self.uid, self.gid, self.attributes) != (
            *(other.kind, other.mode, other.uid, other.gid, other.attributes),
        ):
            return False
        if self.kind != FILE:
            return (self.link, self.device) == (other.link, other.device) and not self.group
        return (self.size, self.mtime, self.group) == (other.size, other.mtime, "")


_FOLDER: Final = Node(kind=DIRECTORY, mode=0o755, uid=0, gid=0, mtime=0)

Tree = dict[str, Node]
"""The paths of an image, relative to its root."""


class Layer(Struct, frozen=True, kw_only=True):
    """The changes of a layer to the image below it."""

    nodes: Tree
    gone: frozenset[str]
    """Paths that are removed with everything below them."""
    emptied: frozenset[str]
    """Folders whose previous content is removed."""

    @property
    def hides(self) -> bool:
        """Whether it removes anything."""
        return bool(self.gone or self.emptied)

    def without(self, paths: Iterable[str]) -> Layer:
        """Return the layer without some paths."""
        left_out = {*paths}
        nodes = {path: node for path, node in self.nodes.items() if path not in left_out}
        return replace(self, nodes=nodes)

    def on(self, earlier: Layer) -> Layer:
        """Return one layer with the changes of an earlier one, which removes nothing, and of this one."""
        hidden = self.hidden(earlier.nodes)
        kept = {path: node for path, node in earlier.nodes.items() if path not in hidden}
        return replace(self, nodes=kept | self.nodes)

    def hidden(self, below: Mapping[str, Node]) -> set[str]:
        """Return the paths of the image below that it hides or replaces."""
        over = {
            path for path, node in self.nodes.items() if not node.is_folder and path in below
        } - self.gone
        whole = {path for path in over if below[path].is_folder}
        if not (self.gone or self.emptied or whole):
            return set()
        tops, inner = self.gone, self.emptied | whole
        found = set()
        for path in below:
            if path in tops:
                found.add(path)
            else:
                at = path.rfind("/")
                while at >= 0:
                    folder = path[:at]
                    if folder in tops or folder in inner:
                        found.add(path)
                        break
                    at = path.rfind("/", 0, at)
        return found


def above(below: Tree, layer: Layer) -> Tree:
    """Return the tree including a layer; folders that no layer lists get the attributes that engines give them."""
    hidden = layer.hidden(below)
    found = {path: node for path, node in below.items() if path not in hidden}
    found.update(layer.nodes)
    for path in layer.nodes:
        at = path.rfind("/")
        while at >= 0 and path[:at] not in found:
            found[path[:at]] = _FOLDER
            at = path.rfind("/", 0, at)
    return found


def read_layer(path: str) -> Layer:
    """Read a layer.

    Args:
        path: of a file with the layer, a tar archive that is not compressed.

    Raises:
        OSError: the file cannot be read.
        ArchiveError: it is not a valid layer.
    """
    nodes: Tree = {}
    gone: set[str] = set()
    emptied: set[str] = set()
    for member in TarReader(_chunks(path)):
        name = _name(member.path)
        folder, _, last = name.rpartition("/")
        if last == _OPAQUE:
            emptied.add(folder)
        elif last.startswith(_GONE):
            if not last.startswith(_GONE * 2):  # metadata of AUFS
                gone.add(f"{folder}/{last[len(_GONE) :]}" if folder else last[len(_GONE) :])
        elif name:
            nodes[name] = _node(member, path)
        if len(nodes) + len(gone) > LAYER_MEMBERS:
            raise ArchiveError(f"a layer has more than {LAYER_MEMBERS} paths")
    for name in nodes:
        at = name.rfind("/")
        while at >= 0:
            if name[:at] in nodes and not nodes[name[:at]].is_folder:
                raise ArchiveError(f"{name} lies below what is not a folder")
            at = name.rfind("/", 0, at)
    return Layer(nodes=_with_groups(nodes), gone=frozenset(gone), emptied=frozenset(emptied))


def _node(member: Found, path: str) -> Node:
    if member.sparse:
        raise ArchiveError(f"{member.path} is stored as a sparse file")
    kept = {
        name: value
        for name, value in member.attributes.items()
        if name.startswith(_KEPT_ATTRIBUTES) and not name.startswith(_DROPPED_ATTRIBUTES)
    }
    is_file = member.kind == FILE
    return Node(
        kind=member.kind,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        mtime=member.mtime_ns // 10**9,
        size=member.size if is_file else 0,
        link=_name(member.link) if member.kind == HARDLINK else member.link,
        device=member.device if member.kind in b"34" else (0, 0),
        attributes=tuple(sorted(kept.items())),
        archive=path if is_file else "",
        offset=member.offset if is_file else 0,
    )


def _with_groups(nodes: Tree) -> Tree:
    """Give all names of a file the attributes and content of the file itself."""
    for path, node in nodes.items():
        if node.kind == HARDLINK:
            file = nodes.get(node.link)
            if file is not None and file.kind == FILE:
                group = file.group or node.link
                nodes[node.link] = nodes[path] = replace(file, group=group)
    return nodes


def _name(path: str) -> str:
    """Return the path of a member relative to the root; empty for the root itself.

    Raises:
        ArchiveError: it leads outside.
    """
    name = posixpath.normpath(f"/{path}").lstrip("/")
    if ".." in path.split("/"):
        raise ArchiveError(f"{path} leads out of the layer")
    return name


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from iter(lambda: file.read(_CHUNK), b"")
