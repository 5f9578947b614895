"""What goes into a build: the files of a project as they are now, and those that Buildr adds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr._version import __version__
from buildr.backend import Event
from buildr.context.ignore import read_ignore_file
from buildr.context.index import look, nothing
from buildr.context.scan import scan, scan_file
from buildr.context.secrets import describe
from buildr.context.tar import Copy, Member, Tree
from buildr.errors import ContextError
from buildr.guest_files import guest_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildr.context.entries import Scan
    from buildr.context.index import Snapshot
    from buildr.context.tar import Part
    from buildr.progress import Progress
    from buildr.project import ExtraFile, Project

CONTAINERFILE = "Containerfile"
"""The name of a generated one in the tar stream."""
IGNORE_FILES = (".containerignore", ".dockerignore")
"""At the top of a context. With a Containerfile of the user's own that is the top of the tar stream, too, where the
engines would read them once more, each in its own way; so there they stay behind."""


class Sources(Struct, frozen=True, kw_only=True):
    """What a project's files are right now."""

    tree: Snapshot
    """The context."""
    extra: tuple[tuple[ExtraFile, Snapshot], ...]
    """Additional files and directories."""

    @property
    def extra_digest(self) -> str:
        """The digest of all additional files."""
        parts = [(tree.digest, file.name, file.destination, file.mode) for file, tree in self.extra]
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def read_sources(project: Project) -> Sources:
    """Look at all files that would travel.

    Raises:
        ContextError: something cannot be read, or must not be sent.
    """
    return Sources(
        tree=nothing() if project.recipe.mounted else _look_at_context(project),
        extra=tuple((file, _look_at_extra(file)) for file in project.files),
    )


def _look_at_context(project: Project) -> Snapshot:
    dockerfile = Path(project.dockerfile) if project.dockerfile else None
    ignore_file = read_ignore_file(project.context, dockerfile)
    exclude = IGNORE_FILES if dockerfile else ()
    include_secrets = project.package.include_secrets
    script = "" if dockerfile else project.script

    def find() -> Scan:
        found = scan(
            project.context,
            rules=ignore_file.parse() if ignore_file else None,
            include_secrets=include_secrets,
            exclude=exclude,
        )
        if script:
            source = ignore_file.source if ignore_file else "what Buildr leaves out by itself"
            _check_script(project.context, script, found, source)
        return found

    settings = repr((__version__, ignore_file, include_secrets, exclude, script))
    return look(project.context, settings, find)


def _look_at_extra(file: ExtraFile) -> Snapshot:
    path = Path(file.source)
    if not file.name:
        return look(
            path, f"{__version__} all", lambda: scan(path, rules=None, include_secrets=True)
        )
    return look(path.parent, f"{__version__} {path.name}", lambda: scan_file(path))


def notes(sources: Sources) -> Iterator[str]:
    """Yield what the user should know of what does not travel, a line each."""
    if held_back := describe(sources.tree.scan.secrets):
        yield held_back
    for skipped in sources.tree.scan.skipped:
        yield f"left out: {skipped.path} is {skipped.reason}"


def guest_members() -> list[Part]:
    """Return the guest part, below ``guest/``."""
    return [Member(path=f"guest/{path}", data=data) for path, data in guest_files()]


def extra_members(sources: Sources) -> list[Part]:
    """Return the additional files, below ``files/`` and their number."""
    parts: list[Part] = []
    for index, (file, tree) in enumerate(sources.extra):
        name = f"files/{index}"
        source = Path(file.source)
        if file.name:
            parts.append(Copy(path=f"{name}/{file.name}", source=source, mode=file.mode))
        else:
            parts.append(Tree(entries=tree.scan.entries, root=source, prefix=name, mode=file.mode))
    return parts


def counted(chunks: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    """Pass a stream on, and show how much of it has gone."""
    sent = 0
    for chunk in chunks:
        yield chunk
        sent += len(chunk)
        progress(Event(kind="upload", current=sent))


def _check_script(context: Path, script: str, found: Scan, source: str) -> None:
    top = os.path.realpath(context)
    real = os.path.relpath(os.path.realpath(os.path.join(top, script)), top)
    if not any(entry.path in (script, real) for entry in found.entries):
        raise ContextError(
            f"the script {script} is left out of the context, by {source}",
            hint=f"Add a line !{script} to the ignore file, or rename the script.",
        )
