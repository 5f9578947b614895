"""From a project to an image that an engine stores: look it up by its fingerprint, or build it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr._version import __version__
from buildr.backend import BuildRequest, Event
from buildr.containerfile import identity, render, render_marker_stage
from buildr.context.digest import tree_digest
from buildr.context.ignore import find_rules
from buildr.context.scan import scan
from buildr.context.secrets import describe
from buildr.context.tar import Copy, Member, Tree, pack
from buildr.errors import ContextError, EngineError, ImageNotFoundError
from buildr.guest_files import guest_files
from buildr.progress import Progress
from buildr.subordinate import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from buildr.backend import Backend, Image
    from buildr.context.entries import Scan
    from buildr.context.tar import Part
    from buildr.progress import Verbosity
    from buildr.project import ExtraFile, Project

FINGERPRINT = "buildr.fingerprint"
PROJECT = "buildr.project"
VERSION = "buildr.version"
"""Labels of the images that Buildr builds."""

_TAG_DIGITS = 32  # of the fingerprint; 128 bits
_KEPT = 3  # images of one project, so that going back to an earlier state of the source is quick
_CONTAINERFILE = "Containerfile"


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
    found = scan(project.context, rules=rules, include_secrets=project.package.include_secrets)
    extra = tuple((file, _scan_extra(file)) for file in project.files)
    digests = [tree_digest(found.entries, project.context)]
    for file, tree in extra:
        if tree is None:
            digests.append(_file_digest(file.source))
        else:
            digests.append(tree_digest(tree.entries, Path(file.source)))
        digests.append(f"{file.destination} {file.mode}")
    return Sources(
        scan=found, extra=extra, digest=hashlib.sha256(repr(digests).encode()).hexdigest()
    )


def fingerprint(project: Project, sources: Sources, base: Image | None) -> str:
    """Return the digest of all that decides the image's content."""
    parts = [
        __version__,
        identity(project.recipe) if project.dockerfile is None else _own_text(project),
        base.id if base else "",
        sources.digest,
        repr([(file.path, file.data) for file in project.dependencies.files])
        if project.dependencies
        else "",
        repr(guest_files()),
        repr(project.placement.command),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def ensure_image(
    backend: Backend,
    project: Project,
    say: Callable[[str], None],
    *,
    verbosity: Verbosity = "normal",
    cache: bool = True,
) -> str:
    """Return the id of the project's image, building it when it is not stored as it should be.

    Args:
        backend: the engine.
        project: what to build.
        say: told in one line each what the user should know of a build.
        verbosity: how much progress is shown.
        cache: whether an image, or layers, of an earlier build may serve.

    Raises:
        ContextError: the files cannot be read or must not be sent.
        ImageNotFoundError: the base image can neither be found nor pulled.
        BuildError: a step failed.
    """
    project = fit(project, backend)
    with Progress(f"building {project.name}", verbosity) as progress:
        base = None if project.dockerfile else _base(backend, project, progress)
        sources = read_sources(project)
        wanted = fingerprint(project, sources, base)
        tag = f"{project.local_name}:{wanted[:_TAG_DIGITS]}"
        if cache and (stored := backend.image(tag)) is not None:
            return stored.id
        for note in (*project.notes, *_notes(sources)):
            say(note)
        labels = {FINGERPRINT: wanted, PROJECT: project.key, VERSION: __version__}
        build = _build_own if project.dockerfile else _build_generated
        image = build(backend, project, sources, labels, progress, cache=cache)
        # Only now: an image that a failed build left half-done may carry our labels too, but never this tag.
        backend.tag(image, tag)
    _collect(backend, project, image)
    return image


def _base(backend: Backend, project: Project, progress: Progress) -> Image:
    reference = project.recipe.base_image
    return backend.image(reference) or backend.pull(reference, progress)


def _build_generated(
    backend: Backend,
    project: Project,
    sources: Sources,
    labels: dict[str, str],
    progress: Progress,
    *,
    cache: bool,
) -> str:
    parts: list[Part] = [Member(path=_CONTAINERFILE, data=render(project.recipe).encode())]
    parts += _guest_members()
    if project.dependencies:
        parts += [
            Member(path=f"dependencies/{file.path}", data=file.data)
            for file in project.dependencies.files
        ]
    parts.append(Tree(entries=sources.scan.entries, root=project.context, prefix="context"))
    for index, (file, tree) in enumerate(sources.extra):
        name = f"files/{index}"
        if tree is None:
            parts.append(Copy(path=f"{name}/{file.name}", source=Path(file.source), mode=file.mode))
        else:
            parts.append(
                Tree(entries=tree.entries, root=Path(file.source), prefix=name, mode=file.mode)
            )
    request = BuildRequest(
        context=_counted(pack(parts), progress),
        containerfile=_CONTAINERFILE,
        labels=labels,
        tags=(project.reference,),
        cache=cache,
    )
    return backend.build(request, progress)


def _build_own(
    backend: Backend,
    project: Project,
    sources: Sources,
    labels: dict[str, str],
    progress: Progress,
    *,
    cache: bool,
) -> str:
    """Build the user's own Containerfile as it is, and put the guest part on top of it."""
    text = Member(path=".buildr-Containerfile", data=_own_text(project).encode())
    tree = Tree(entries=sources.scan.entries, root=project.context)
    for base in _bases(text.data.decode()):
        if backend.image(base) is None:
            backend.pull(base, progress)
    own = backend.build(
        BuildRequest(
            context=_counted(pack([text, tree]), progress),
            containerfile=text.path,
            labels={},  # it goes with the image on top of it
            cache=cache,
        ),
        progress,
    )
    image = backend.image(own)
    if image is None:
        raise ImageNotFoundError(f"the image {own} vanished after its build")
    stage = render_marker_stage(own, image.entrypoint, _own_command(image, project))
    parts: list[Part] = [Member(path=_CONTAINERFILE, data=stage.encode()), *_guest_members()]
    return backend.build(
        BuildRequest(
            context=pack(parts),
            containerfile=_CONTAINERFILE,
            labels=labels,
            tags=(project.reference,),
            cache=cache,
        ),
        progress,
    )


def _own_command(image: Image, project: Project) -> tuple[str, ...]:
    """Return what an image of the user's own shall run.

    Its own CMD; where it has none, or only the bare interpreter that the official Python images name, the script,
    taken to lie where the image's working directory is.
    """
    bare = len(image.command) == 1 and os.path.basename(image.command[0]).startswith("python")
    if image.entrypoint or (image.command and not bare):
        return image.command
    interpreter, unbuffered, *rest = project.placement.command
    relative = [word.removeprefix("/app/") for word in rest]
    return (interpreter, unbuffered, *relative)


def _own_text(project: Project) -> str:
    path = project.dockerfile or ""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ContextError(
            f"the dockerfile {path} cannot be read: {error}", hint="It must be UTF-8 text."
        ) from None


def _bases(text: str) -> Iterator[str]:
    """Yield the images that a Containerfile starts from, to pull the absent ones with the user's credentials."""
    stages: set[str] = set()
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].upper() != "FROM":
            continue
        words = [word for word in words[1:] if not word.startswith("--")]
        if words and "$" not in words[0] and words[0] != "scratch" and words[0] not in stages:
            yield words[0]
        if len(words) == 3:
            stages.add(words[2])


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


def _notes(sources: Sources) -> Iterator[str]:
    if held_back := describe(sources.scan.secrets):
        yield held_back
    for skipped in sources.scan.skipped:
        yield f"left out: {skipped.path} is {skipped.reason}"


def _guest_members() -> list[Part]:
    return [Member(path=f"guest/{path}", data=data) for path, data in guest_files()]


def _counted(chunks: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    sent = 0
    for chunk in chunks:
        yield chunk
        sent += len(chunk)
        progress(Event(kind="upload", current=sent))


def _collect(backend: Backend, project: Project, image: str) -> None:
    """Remove old images of the project; those in use, or with a name that somebody else gave them, stay."""
    kept = 0
    for row in backend.images({PROJECT: project.key}):
        if row.id == image or any(not _is_ours(tag, project) for tag in row.tags):
            continue
        if row.tags and kept < _KEPT:
            kept += 1
            continue
        try:
            for name in row.tags or (row.id,):
                backend.remove_image(name)
        except EngineError:
            continue  # a container of it still runs


def _is_ours(tag: str, project: Project) -> bool:
    name, _, version = tag.rpartition(":")
    return name == project.local_name and len(version) == _TAG_DIGITS
