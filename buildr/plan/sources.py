"""The current state of a project's files; whatever the index knows is not read again (`buildr.context.index`)."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr._version import __version__
from buildr.context.entries import Without
from buildr.context.ignore.file import read_ignore_file
from buildr.context.index import look, nothing
from buildr.context.reading import changed
from buildr.errors import ContextError
from buildr.host import cache
from buildr.plan.private_files import identities

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildr.context.entries import Scan
    from buildr.context.index import Known, Snapshot
    from buildr.context.pins import Pins
    from buildr.plan.named_files import ExtraFile
    from buildr.plan.project import Project

IGNORE_FILES = (".containerignore", ".dockerignore")
"""Ignore files at the top of a context. With a user's own Containerfile, that is also the top of the tar stream,
where each engine would apply them again in its own way, so they are not sent.
"""


class Sources(Struct, frozen=True, kw_only=True):
    """The current files of a project."""

    tree: Snapshot
    """The context."""
    extra: tuple[tuple[ExtraFile, Snapshot], ...]
    """Additional files and directories."""
    dockerfile: bytes = b""
    """The text of the user's own Containerfile, read once for the fingerprint and the build."""

    @property
    def extra_digest(self) -> str:
        """The digest of all additional files."""
        parts = [(tree.digest, file.name, file.destination, file.mode) for file, tree in self.extra]
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def read_sources(project: Project, *, without: Sequence[str] = (), pin: bool = False) -> Sources:
    """Read the state of all files that would travel.

    Args:
        project: the project.
        without: real paths of files to leave out.
        pin: whether to hold contents of files that change constantly: see `buildr.context.pins`.

    Raises:
        ContextError: a file cannot be read, or must not be sent.
    """
    return Sources(
        tree=nothing()
        if project.recipe.mounted
        else _look_at_context(project, without, _pins(pin)),
        extra=tuple(
            (file, _look_at_extra(project, file, without, _pins(pin))) for file in project.files
        ),
        dockerfile=_read_dockerfile(project.dockerfile) if project.dockerfile else b"",
    )


def _pins(pin: bool) -> Pins | None:
    if not pin:
        return None
    from buildr.context.pins import Pins

    return Pins()


def _look_at_context(project: Project, without: Sequence[str], pins: Pins | None) -> Snapshot:
    dockerfile = Path(project.dockerfile) if project.dockerfile else None
    ignore_file = read_ignore_file(project.context, dockerfile)
    # Every run writes to the cache, which may be in the context.
    inside = _below(project.context, (os.path.realpath(cache.directory()), *without))
    exclude = (*(IGNORE_FILES if dockerfile else ()), *inside)
    left_out = frozenset(exclude)
    include_secrets = project.package.include_secrets
    script = "" if dockerfile else project.script

    def find(known: Known) -> Scan:
        from buildr.context.scan import scan

        found = scan(
            project.context,
            rules=ignore_file.parse() if ignore_file else None,
            include_secrets=include_secrets,
            without=Without(paths=left_out, files=identities(project.private)),
            known=known,
            pins=pins,
        )
        if script and not _holds_script(project.context, script, found):
            raise ContextError(
                f"the script {script} is left out of the context, by"
                f" {ignore_file.source if ignore_file else 'what Buildr leaves out by itself'}",
                hint=f"Add a line !{script} to the ignore file, or rename the script.",
            )
        return found

    settings = repr((__version__, ignore_file, include_secrets, exclude, script, project.private))
    found = look(project.context, settings, find, pins=pins)
    if pins is not None and script and not _holds_script(project.context, script, found.scan):
        raise changed(script)
    return found


def _below(folder: Path, paths: Iterable[str]) -> tuple[str, ...]:
    """Return the real paths that are in a folder, relative to it."""
    top = os.path.realpath(folder).rstrip("/") + "/"
    return tuple(path.removeprefix(top) for path in paths if path.startswith(top))


def _read_dockerfile(path: str) -> bytes:
    from buildr.plan.dockerfile import read_dockerfile

    return read_dockerfile(path)


def _look_at_extra(
    project: Project, file: ExtraFile, without: Sequence[str], pins: Pins | None
) -> Snapshot:
    path = Path(file.source)
    if file.name:
        settings = f"{__version__} {path.name}"
        return look(path.parent, settings, lambda _: _scan_file(path, pins), pins=pins)
    exclude = _below(path, without)
    left_out = frozenset(exclude)
    include_secrets = project.package.include_secrets

    def find(known: Known) -> Scan:
        from buildr.context.ignore.rules import IgnoreRules
        from buildr.context.scan import scan
        from buildr.context.secrets import SecretTable

        # An explicitly named folder of secrets, such as ~/.aws, is included as a whole.
        named = SecretTable(IgnoreRules.parse("")).is_secret_folder(file.source, path.name)
        return scan(
            path,
            rules=None,
            include_secrets=include_secrets or named,
            without=Without(paths=left_out, files=identities(project.private)),
            known=known,
            pins=pins,
        )

    settings = repr((__version__, "all", exclude, include_secrets, project.private))
    return look(path, settings, find, pins=pins)


def _scan_file(path: Path, pins: Pins | None) -> Scan:
    from buildr.context.scan import scan_file

    return scan_file(path, pins)


def _holds_script(context: Path, script: str, found: Scan) -> bool:
    top = os.path.realpath(context)
    real = os.path.relpath(os.path.realpath(os.path.join(top, script)), top)
    return any(entry.path in (script, real) for entry in found.entries)
