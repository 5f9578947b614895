"""The changes between two states of a context, for images that have the older state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from buildr.context.entries import Entry, normal_mode  # - msgspec reads annotations

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Delta", "State", "difference"]


class State(msgspec.Struct, frozen=True, array_like=True):
    """A context at one time.

    Attributes:
        entries: from a scan, in its order.
        contents: a digest for each of them, empty where there is no content.
    """

    entries: tuple[Entry, ...]
    contents: list[bytes]


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """The changes from one state to the next: first remove, then put.

    Attributes:
        put: what is new or has changed, in the order of a scan, with its folders.
        removed: paths of what is gone or has become something of another kind; of a folder only its own.
        size: bytes in the files that are put.
        contents: their digests by their paths, those of empty ones left out.
        pinned: contents that are to be put in place of those on the disk, by their paths.
    """

    put: tuple[Entry, ...]
    removed: tuple[str, ...]
    size: int
    contents: dict[str, bytes] = {}
    pinned: dict[str, bytes] = {}


def difference(old: State, new: State) -> Delta | None:
    """Compare two states.

    Returns:
        The delta; ``None`` where it touches hard links: a new file in place of one name would leave the other names
        with the old content.
    """
    before = {entry.path: _image_of(entry, old.contents[i]) for i, entry in enumerate(old.entries)}
    put: dict[str, Entry] = {}
    removed: list[str] = []
    folders: dict[str, Entry] = {}
    linked = {entry.target for entry in (*old.entries, *new.entries) if entry.kind == "hardlink"}
    touched: set[str] = set()
    size = 0
    for i, entry in enumerate(new.entries):
        if entry.kind == "dir":
            folders[entry.path] = entry
        was = before.pop(entry.path, None)
        now = _image_of(entry, new.contents[i])
        if was == now:
            continue
        touched.add(entry.path)
        if entry.kind == "hardlink" or (was is not None and was[0] == "hardlink"):
            return None
        # What exists is replaced only by a file of the same kind, or a folder by itself with other rights: engines
        # would write through a link.
        if was is not None and (was[0] != entry.kind or entry.kind == "symlink"):
            removed.append(entry.path)
        for folder in _parents(entry.path):
            put.setdefault(folder, folders[folder])
        put[entry.path] = entry
        size += entry.size
    for path, image in before.items():
        if image[0] == "hardlink":
            return None
        removed.append(path)
    if linked and not linked.isdisjoint((*touched, *removed)):
        return None
    pairs = zip(new.entries, new.contents, strict=True)
    contents = {entry.path: content for entry, content in pairs if content and entry.path in put}
    return Delta(put=tuple(put.values()), removed=_topmost(removed), size=size, contents=contents)


def _image_of(entry: Entry, content: bytes) -> tuple[str, int, str, bytes]:
    """Return the part of an entry that is in an image: neither its times nor its inode."""
    return entry.kind, normal_mode(entry.mode, entry.kind), entry.target, content


def _parents(path: str) -> Iterable[str]:
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def _topmost(paths: list[str]) -> tuple[str, ...]:
    """Drop paths below other paths."""
    all_ = set(paths)
    return tuple(sorted(path for path in all_ if all_.isdisjoint(_parents(path))))
