"""The content of a build: the files of a project, and those that Buildr adds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from buildr.archive.tar import Copy, Member, Tree
from buildr.context.entries import CLIMBING, normal_mode, printable
from buildr.context.links import describe_links, leaves_context
from buildr.context.secrets import describe, describe_extra, describe_histories
from buildr.engines.records import Event
from buildr.plan.containerfile import render
from buildr.plan.guest_files import guest_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from buildr.archive.tar import Part
    from buildr.context.entries import Entry, Skipped
    from buildr.engines.progress import Progress
    from buildr.plan.project import Project
    from buildr.plan.sources import Sources

CONTAINERFILE = "Containerfile"
"""The name of a generated Containerfile in the tar stream."""
_LARGE_BYTES = 100_000_000  # the size of a context above which the user is warned
_LARGEST = 3


def notes(sources: Sources, context: Path) -> Iterator[str]:
    """Yield notes for the user about files that do not travel, a line each.

    Args:
        sources: the files that travel.
        context: their directory.
    """
    if held_back := describe(sources.tree.scan.secrets):
        yield held_back
    if histories := describe_histories(sources.tree.scan.histories):
        yield histories
    yield from _notes_on_skipped(sources.tree.scan.skipped, "")
    if links := _links_out(sources, context):
        yield links
    for file, tree in sources.extra:
        if held_back := describe_extra(file.source, tree.scan.secrets):
            yield held_back
        yield from _notes_on_skipped(tree.scan.skipped, f"{file.source}/")
    entries = sources.tree.scan.entries
    if (size := sum(entry.size for entry in entries)) > _LARGE_BYTES:
        yield (
            f"the context is {size / 1e6:,.0f} MB, most of it in {', '.join(_largest(entries))};"
            " a .containerignore leaves files out"
        )


def _notes_on_skipped(skipped: Sequence[Skipped], folder: str) -> Iterator[str]:
    for one in skipped:
        if folder or one.reason != CLIMBING:
            yield f"left out: {printable(folder + one.path)} is {one.reason}"


def _links_out(sources: Sources, context: Path) -> str:
    root = str(context)
    scan = sources.tree.scan
    links = (entry for entry in scan.entries if entry.kind == "symlink")
    sent = [link.path for link in links if leaves_context(root, link.path, link.target)]
    return describe_links(sent, [one.path for one in scan.skipped if one.reason == CLIMBING])


def _largest(entries: Iterable[Entry]) -> list[str]:
    """Return the largest files and folders at the top of a context, with their sizes."""
    sizes: dict[str, int] = {}
    for entry in entries:
        top, below, _ = entry.path.partition("/")
        sizes[top + below] = sizes.get(top + below, 0) + entry.size
    largest = sorted(sizes.items(), key=lambda item: item[1], reverse=True)[:_LARGEST]
    return [f"{name} ({size / 1e6:,.0f} MB)" for name, size in largest]


def parts_of(project: Project, sources: Sources) -> list[Part]:
    """Return everything that is sent to a build from a generated Containerfile."""
    parts: list[Part] = [Member(path=CONTAINERFILE, data=render(project.recipe).encode())]
    parts += guest_members()
    if project.dependencies:
        parts += [
            Member(path=f"dependencies/{file.path}", data=file.data)
            for file in project.dependencies.files
        ]
        # Found where the guest part is.
        parts += [
            Member(path=f"guest/{file.path}", data=file.data) for file in project.dependencies.own
        ]
    if not project.recipe.mounted:
        parts.append(source_tree(project, sources, "context"))
    parts += extra_members(sources)
    return parts


def source_tree(project: Project, sources: Sources, prefix: str = "") -> Tree:
    """Return the context, below a prefix, with the contents in its fingerprint."""
    tree = sources.tree
    return Tree(
        entries=tree.scan.entries,
        root=project.context,
        prefix=prefix,
        contents=tree.digests(),
        pinned=tree.pinned,
    )


def guest_members() -> list[Part]:
    """Return the guest part, below ``guest/``."""
    return [Member(path=f"guest/{path}", data=data) for path, data in guest_files()]


def extra_members(sources: Sources) -> list[Part]:
    """Return the additional files, below ``files/NUMBER``."""
    parts: list[Part] = []
    for index, (file, tree) in enumerate(sources.extra):
        name = f"files/{index}"
        source = Path(file.source)
        if file.name:
            [entry] = tree.scan.entries
            [content] = tree.contents
            mode = normal_mode(entry.mode, "file") if file.mode is None else file.mode
            path = f"{name}/{file.name}"
            held = tree.pinned.get(entry.path)
            parts.append(
                Copy(path=path, source=source, mode=mode, size=entry.size, content=content)
                if held is None
                else Member(path=path, data=held, mode=mode)
            )
        else:
            parts.append(
                Tree(
                    entries=tree.scan.entries,
                    root=source,
                    prefix=name,
                    mode=file.mode,
                    contents=tree.digests(),
                    pinned=tree.pinned,
                )
            )
    return parts


def counting(progress: Progress) -> Callable[[int], None]:
    """Return a function that reports upload progress; it is called with the size of each piece."""
    sent = 0

    def add(size: int) -> None:
        nonlocal sent
        sent += size
        progress(Event(kind="upload", current=sent))

    return add


def counted(chunks: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    """Pass on a stream, and show its progress."""
    add = counting(progress)
    for chunk in chunks:
        yield chunk
        add(len(chunk))
