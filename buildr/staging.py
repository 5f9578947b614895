"""What goes into a build: the files of a project as they are now, and those that Buildr adds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.backend import Event
from buildr.context.digest import tree_digest
from buildr.context.ignore import find_rules
from buildr.context.scan import scan
from buildr.context.secrets import describe
from buildr.context.tar import Copy, Member, Tree
from buildr.errors import ContextError
from buildr.guest_files import guest_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildr.context.entries import Scan
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

    scan: Scan
    extra: tuple[tuple[ExtraFile, Scan | None], ...]
    """Additional files; with a scan where it is a directory."""
    digest: str


def read_sources(project: Project) -> Sources:
    """Look at all files that would travel.

    Raises:
        ContextError: something cannot be read, or must not be sent.
    """
    dockerfile = Path(project.dockerfile) if project.dockerfile else None
    rules = find_rules(project.context, dockerfile)
    found = scan(
        project.context,
        rules=rules,
        include_secrets=project.package.include_secrets,
        exclude=IGNORE_FILES if dockerfile else (),
    )
    if dockerfile is None:
        _check_script(project, found, rules.source if rules else "what Buildr leaves out by itself")
    extra = tuple((file, _scan_extra(file)) for file in project.files)
    digests = [tree_digest(found.entries, project.context)]
    for file, tree in extra:
        if tree is None:
            digests.append(_file_digest(file.source))
        else:
            digests.append(tree_digest(tree.entries, Path(file.source)))
        digests.append(f"{file.name} {file.destination} {file.mode}")
    return Sources(
        scan=found, extra=extra, digest=hashlib.sha256(repr(digests).encode()).hexdigest()
    )


def notes(sources: Sources) -> Iterator[str]:
    """Yield what the user should know of what does not travel, a line each."""
    if held_back := describe(sources.scan.secrets):
        yield held_back
    for skipped in sources.scan.skipped:
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
        if tree is None:
            parts.append(Copy(path=f"{name}/{file.name}", source=source, mode=file.mode))
        else:
            parts.append(Tree(entries=tree.entries, root=source, prefix=name, mode=file.mode))
    return parts


def counted(chunks: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    """Pass a stream on, and show how much of it has gone."""
    sent = 0
    for chunk in chunks:
        yield chunk
        sent += len(chunk)
        progress(Event(kind="upload", current=sent))


def _check_script(project: Project, found: Scan, source: str) -> None:
    script = project.script
    if not script:
        return
    top = os.path.realpath(project.context)
    real = os.path.relpath(os.path.realpath(os.path.join(top, script)), top)
    if not any(entry.path in (script, real) for entry in found.entries):
        raise ContextError(
            f"the script {script} is left out of the context, by {source}",
            hint=f"Add a line !{script} to the ignore file, or rename the script.",
        )


def _scan_extra(file: ExtraFile) -> Scan | None:
    if not os.path.isdir(file.source):
        return None
    return scan(Path(file.source), rules=None, include_secrets=True)


def _file_digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            return f"{mode:o} {hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise ContextError(
            f"the additional file {path} cannot be read: {error.strerror}",
            hint="Make it readable for you, or leave it out.",
        ) from None
