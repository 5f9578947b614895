"""The input and output of sources of dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec import Struct

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Dependencies", "PartialSource", "ProjectFiles", "Source", "StagedFile"]


class ProjectFiles(Struct, frozen=True, kw_only=True):
    """The input of a source: where dependencies may be declared.

    Attributes:
        context: the absolute path of the context.
        script: the script, where there is one: an absolute path, or one relative to the context.
        explicit: the option ``dependencies_file``: a path, absolute or relative to the context.
        listed: the option ``dependencies``: requirements.
        extras: the option ``extras``.
        groups: the option ``groups``.
        member: the option ``member``.
    """

    context: Path
    script: Path | None = None
    explicit: str | None = None
    listed: tuple[str, ...] | None = None
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    member: str | None = None


class StagedFile(Struct, frozen=True, kw_only=True):
    """A file that the installation needs.

    Attributes:
        path: relative to the folder of dependencies in the image, with ``/``, without ``..``.
        data: its bytes.
    """

    path: str
    data: bytes


class Dependencies(Struct, frozen=True, kw_only=True):
    """The result of a source: what to install.

    Attributes:
        source: where it is written down, for people: ``requirements.txt``.
        files: the files that the installation reads.
        install: what follows ``python -m pip install``; empty: there is nothing to install. The path of
            one of `files` is the same here and there; see `arguments`.
        unhashed: the same for a second call, right after the first, without its hashes.
        local: the same for a last call, after the source has been copied.
        needs_source: whether a requirement of `install` points into the source. The source must be copied
            first then, and pip must run in ``/app``.
        requires_python: the Python that is asked for, ``>=3.11``.
        python_source: where that is written down, for people.
        roots: folders of the source that the script imports from, relative to the context.
        projects: the folders of the projects that are imported from where they are, relative to the context; empty: that of
            the source.
        own: the files that say what these projects are, for ``importlib.metadata``, relative to a folder to import from.
        notes: what a user should know, one line each.
    """

    source: str
    files: tuple[StagedFile, ...] = ()
    install: tuple[str, ...] = ()
    unhashed: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    needs_source: bool = False
    requires_python: str | None = None
    python_source: str = ""
    roots: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    own: tuple[StagedFile, ...] = ()
    notes: tuple[str, ...] = ()

    def arguments(self, folder: str, words: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return the words of one call for files in ``folder``, an absolute path inside the image.

        Args:
            folder: where `files` are.
            words: those of the call; `install` by default.
        """
        staged = {file.path for file in self.files}
        given = self.install if words is None else words
        return tuple(f"{folder}/{word}" if word in staged else word for word in given)


class Source(Protocol):
    """A kind of file that declares dependencies: a module with these functions."""

    def accepts(self, name: str) -> bool:
        """Return whether a file of this name, which the user named, is of this kind."""
        ...

    def read(self, project: ProjectFiles, path: str) -> Dependencies:
        """Read a file; ``path`` is relative to the context and does not leave it.

        Raises:
            DependencyError: it cannot be read, or does not say what the project needs.
        """
        ...


@runtime_checkable
class PartialSource(Source, Protocol):
    """A kind of file that a project may also have for other reasons, such as ``pyproject.toml``."""

    def find(self, project: ProjectFiles) -> Dependencies | None:
        """Return what the project's own file, which is there, says; ``None`` if it says nothing of dependencies.

        Raises:
            DependencyError: it cannot be read.
        """
        ...
