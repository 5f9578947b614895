"""Writes everything that a build needs as files, for the engines' own commands."""

from __future__ import annotations

import hashlib
import os
import tarfile
from typing import IO, TYPE_CHECKING, Final, cast

from msgspec import Struct

from buildr.archive.chunks import ChunkReader
from buildr.archive.tar import pack
from buildr.context.entries import printable
from buildr.context.ignore.export import ignore_text
from buildr.context.ignore.file import read_ignore_file
from buildr.errors import ContextError, Message, OptionError, OptionName
from buildr.plan.eject_install import TEMPORARY, Place
from buildr.plan.eject_manifest import (
    FOLDER,
    MANIFEST,
    Marks,
    Survey,
    file_mark,
    link_mark,
    manifest_text,
    read_manifest,
    survey,
)
from buildr.plan.sources import read_sources
from buildr.plan.staging import parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.context.lookout import Lookout
    from buildr.plan.project import Project
    from buildr.plan.sources import Sources

__all__ = ["IGNORE_FILE", "Ejected", "eject"]

IGNORE_FILE: Final = ".dockerignore"
"""The name that both engines read."""
_FOLDERS: Final = ("context", "dependencies", "files", "guest")
_CHUNK_BYTES: Final = 1 << 20


class Ejected(Struct, frozen=True, kw_only=True):
    """The result of an eject."""

    sources: Sources
    """The source files."""
    foreign: tuple[str, ...]
    """Other files in the same folders, which a build copies, too."""


def eject(
    project: Project, directory: str, *, force: bool = False, lookout: Lookout | None = None
) -> Ejected:
    """Write the Containerfile, an ignore file, and what the Containerfile copies.

    Args:
        project: the project, which is not changed.
        directory: the destination, created if necessary.
        force: whether it may have files. Unchanged files of an earlier eject are replaced or removed; other files are
            kept.
        lookout: searches all written files for values of secrets.

    Raises:
        OptionError: the project has a Containerfile of its own.
        ContextError: the directory holds something, or the source; a file that is not an eject's is in the way; the directory
            cannot be written, or files cannot be read. Unless it is the disk that fails, nothing was written.
    """
    if project.dockerfile is not None:
        raise OptionError(
            Message(
                OptionName("package.dockerfile"),
                f" is a Containerfile of your own: {project.dockerfile}",
            ),
            hint="Build it with the engine's own command.",
        )
    top = os.path.realpath(directory)
    _refuse_source(project, directory, top)
    try:
        if os.path.isdir(top) and os.listdir(top) and not force:
            raise ContextError(
                f"{directory} is not empty; nothing was written",
                hint="Name another directory; or replace what an earlier eject has written there, with --force.",
            )
        recorded = read_manifest(top)
        found = survey(top, recorded or {})
        ours = [os.path.join(top, path).rstrip("/") for path in found.without_foreign()]
        sources = read_sources(project, without=ours, pin=True)
        ignored = _ignore_file(project, sources)
        new = {
            **_marks(project, sources, lookout),
            IGNORE_FILE: file_mark(hashlib.sha256(ignored).hexdigest()),
        }
        _refuse_conflicts(directory, found, new, has_record=recorded is not None)
        os.makedirs(top, exist_ok=True)
        with Place(top) as place:
            _replace(place, found, new)
            with _archive(project, sources, lookout) as archive:
                for member in archive:
                    place.put(archive, member)
            place.write(IGNORE_FILE, ignored)
            place.write(MANIFEST, manifest_text(_once(new)).encode())
            place.finish()
    except OSError as error:
        raise ContextError(
            f"{error.filename or directory} cannot be written: {error.strerror}",
            hint="Name a directory in which you may write.",
        ) from None
    foreign = (path for path, mark in found.foreign.items() if mark != FOLDER)
    return Ejected(
        sources=sources,
        foreign=tuple(sorted(path for path in foreign if path.partition("/")[0] in _FOLDERS)),
    )


def _refuse_source(project: Project, directory: str, top: str) -> None:
    """Refuse a directory that contains the source; a folder of the source without the script is accepted."""
    context = os.path.realpath(project.context)
    script = os.path.realpath(os.path.join(context, project.script)) if project.script else context
    for path in (context, script):
        if path == top or path.startswith(f"{top.rstrip('/')}/"):
            raise ContextError(
                f"{directory} holds the source, {path}; nothing was written",
                hint="Name another directory, such as a new one below the source: a copy of the source is written there.",
            )


def _ignore_file(project: Project, sources: Sources) -> bytes:
    ignore = read_ignore_file(project.context, None)
    text = ignore_text(
        ignore.text if ignore else None,
        sent=(e.path for e in sources.tree.scan.entries if e.kind != "dir"),
        held_back=sources.tree.scan.secrets,
        secrets=not project.package.include_secrets,
    )
    return text.encode(errors="surrogateescape")


def _archive(project: Project, sources: Sources, lookout: Lookout | None) -> tarfile.TarFile:
    stream = cast("IO[bytes]", ChunkReader(pack(parts_of(project, sources), lookout=lookout)))
    return tarfile.open(fileobj=stream, mode="r|")


def _marks(project: Project, sources: Sources, lookout: Lookout | None) -> dict[str, str]:
    """Return what will be written, by path; everything is read, so that unreadable files are known before."""
    marks: dict[str, str] = {}
    with _archive(project, sources, lookout) as archive:
        for member in archive:
            path = member.name.rstrip("/")
            if member.isdir():
                marks[path] = FOLDER
            elif member.issym():
                marks[path] = link_mark(member.linkname)
            elif member.islnk():
                marks[path] = marks[member.linkname]
            elif (content := archive.extractfile(member)) is not None:
                digest = hashlib.sha256()
                while chunk := content.read(_CHUNK_BYTES):
                    digest.update(chunk)
                marks[path] = file_mark(digest.hexdigest())
    return marks


def _refuse_conflicts(
    directory: str, found: Survey, new: Mapping[str, str], *, has_record: bool
) -> None:
    """Refuse to replace foreign files, or files that were changed since."""
    occupied = {path.rpartition("/")[0] for path in found.foreign}  # folders that cannot be removed
    conflicts = [
        path
        for path, mark in new.items()
        if (path in found.foreign and (mark, found.foreign[path]) != (FOLDER, FOLDER))
        or (mark != FOLDER and found.ours.get(path) == FOLDER and _is_above(path, occupied))
    ]
    if not has_record and TEMPORARY in found.foreign:
        conflicts.append(TEMPORARY)
    if not conflicts:
        return
    more = f", and {len(conflicts) - 1} more" if len(conflicts) > 1 else ""
    if has_record:
        raise ContextError(
            f"{printable(os.path.join(directory, conflicts[0]))}{more} is in the way: it was changed after an earlier eject, or"
            " written by something else; nothing was written",
            hint="Move it away, or name another directory.",
        )
    raise ContextError(
        f"{printable(os.path.join(directory, conflicts[0]))}{more} is in the way; nothing was written",
        hint=f"Only what {MANIFEST} lists is replaced, and {directory} has none. Name another directory, or remove this one if"
        " it was written by an earlier version of Buildr and nothing in it is yours.",
    )


def _is_above(path: str, folders: set[str]) -> bool:
    return any(folder == path or folder.startswith(f"{path}/") for folder in folders)


def _replace(place: Place, found: Survey, new: Mapping[str, str]) -> None:
    """Record what is about to be written, and remove old files that will not be replaced."""
    both = _once(new)
    for path, mark in found.ours.items():
        both[path] = tuple(dict.fromkeys((*both.get(path, ()), mark)))
    folders = [path for path, mark in found.ours.items() if mark == FOLDER]
    for path in sorted(folders):
        place.make_writable(path)
    place.write(MANIFEST, manifest_text(both).encode())
    for path in sorted(found.ours, reverse=True):
        is_folder = found.ours[path] == FOLDER
        if path not in new or is_folder is not (new[path] == FOLDER):
            place.remove(path)


def _once(marks: Mapping[str, str]) -> Marks:
    return {path: (mark,) for path, mark in marks.items()}
