"""Which commit of which repository a project is: for labels of its image, and for the date that the image bears.

Git itself is not asked. It runs what a repository's settings name (``core.fsmonitor``, ``gpg.program``, a remote's commands),
and a project may be a clone of somebody else's. What cannot be read simply is not known.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from urllib.parse import urlsplit

from msgspec import Struct

from buildr.plan.git_objects import commit_time

_MOST_BYTES = 1 << 24  # of a file; packed-refs of large repositories has megabytes
_MOST_SMALL_BYTES = 1 << 16
_MOST_LINKS = 5  # from one reference to the next
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_REFERENCE = re.compile(r"refs(?:/(?!\.)[^\s/~^:?*\\\[]+)+")
_SECTION = re.compile(r'\s*\[\s*([\w.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]\s*')
_URL = re.compile(r'\s*url\s*=\s*"?([^"#;]*)"?', re.IGNORECASE)
_SCP = re.compile(r"(?:(?P<user>[\w.-]+)@)?(?P<host>[\w.-]+):(?!/{2})(?P<path>\S+)", re.ASCII)
_LONGEST = 1000  # characters of an address
_SHORTEST_HOST = 2  # C:\ is a drive


class Checkout(Struct, frozen=True, kw_only=True):
    """A commit that is checked out. Whether files have changed since is not looked at."""

    commit: str
    """40 or 64 hexadecimal digits."""
    time: int | None
    """When it was made, in seconds since the epoch; ``None``: not known."""
    source: str
    """The address of the repository that it came from, without a password; empty: not known."""


def read_checkout(directory: str) -> Checkout | None:
    """Return what is checked out where a directory lies; ``None`` where that is not in a repository of Git's."""
    with contextlib.suppress(OSError, ValueError):
        top = _top(os.path.realpath(directory))
        found = _folders(top) if top else None
        if found is None:
            return None
        own, common = found
        commit = _commit(own, common)
        if commit:
            time = commit_time(f"{common}/objects", commit)
            return Checkout(commit=commit, time=time, source=_source(common))
    return None


def _top(directory: str) -> str | None:
    """Return the nearest directory above with a repository, if it is this user's or root's."""
    while True:
        try:
            owner = os.lstat(f"{directory}/.git").st_uid
        except (FileNotFoundError, NotADirectoryError):
            above = os.path.dirname(directory)
            if above == directory:
                return None
            directory = above
        else:
            return directory if owner in (0, os.geteuid()) else None


def _folders(top: str) -> tuple[str, str] | None:
    """Return the repository's own folder, and the one that it shares with other working trees.

    A file in its place names them, as for a submodule or a second working tree; it is believed where they name it in turn.
    """
    path = f"{top}/.git"
    if stat.S_ISDIR(os.lstat(path).st_mode):
        return path, path
    named = _text(path, _MOST_SMALL_BYTES)
    if not named.startswith("gitdir: "):
        return None
    own = os.path.realpath(os.path.join(top, named.removeprefix("gitdir: ").strip()))
    with contextlib.suppress(FileNotFoundError):
        back = _text(f"{own}/gitdir", _MOST_SMALL_BYTES).strip()
        common = os.path.dirname(os.path.dirname(own))
        is_tree = os.path.basename(os.path.dirname(own)) == "worktrees"
        return (own, common) if is_tree and os.path.realpath(back) == path else None
    for section, _, line in _settings(own):
        name, _, value = line.partition("=")
        if section == "core" and name.strip().lower() == "worktree":
            tree = os.path.realpath(os.path.join(own, value.strip().strip('"')))
            return (own, own) if tree == top else None
    return None


def _commit(own: str, common: str) -> str:
    """Return the commit that HEAD names; empty where there is none yet."""
    text = _text(f"{own}/HEAD", _MOST_SMALL_BYTES).strip()
    for _ in range(_MOST_LINKS):
        if _COMMIT.fullmatch(text):
            return text
        name = text.removeprefix("ref: ").strip()
        if name == text or not _REFERENCE.fullmatch(name) or ".." in name:
            return ""
        try:
            text = _text(f"{common}/{name}", _MOST_SMALL_BYTES).strip()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            text = _packed(common, name)
    return ""


def _packed(common: str, name: str) -> str:
    with contextlib.suppress(FileNotFoundError):
        for line in _text(f"{common}/packed-refs", _MOST_BYTES).splitlines():
            commit, _, found = line.partition(" ")
            if found == name:
                return commit
    return ""


def _source(common: str) -> str:
    """Return the address of ``origin``, or of the only remote."""
    remotes: dict[str, str] = {}
    for section, name, line in _settings(common):
        if section == "remote" and (match := _URL.match(line)):
            remotes.setdefault(name, match[1].strip())
    url = remotes.get("origin") or (next(iter(remotes.values())) if len(remotes) == 1 else "")
    return public_url(url)


def _settings(folder: str) -> list[tuple[str, str, str]]:
    """Return the lines of a repository's settings, each with its section and the name in that."""
    found = []
    section = name = ""
    with contextlib.suppress(FileNotFoundError):
        for line in _text(f"{folder}/config", _MOST_SMALL_BYTES).splitlines():
            if match := _SECTION.fullmatch(line):
                section, name = match[1].lower(), match[2] or ""
            else:
                found.append((section, name, line))
    return found


def public_url(url: str) -> str:
    """Return the address of a repository as it may be shown to anybody; empty where it is none of a server.

    Who logs in, and by what, is left out: a token may stand in place of a user, too. Of an address for ssh the user stays.
    """
    if len(url) > _LONGEST or not url.isprintable():
        return ""
    if "://" not in url:  # user@host:path, as ssh has it
        match = _SCP.fullmatch(url)
        if match is None or len(match["host"]) < _SHORTEST_HOST:
            return ""
        user = f"{match['user']}@" if match["user"] else ""
        return f"ssh://{user}{match['host']}/{match['path'].lstrip('/')}"
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    user = f"{parts.username}@" if parts.scheme == "ssh" and parts.username else ""
    return f"{parts.scheme}://{user}{host}{port}{parts.path}"


def _text(path: str, most: int) -> str:
    """Return the text of a regular file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none, too large, or not UTF-8.
    """
    file = os.open(path, _FLAGS)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise ValueError("not a file of Git's")
        return os.read(file, most).decode()
    finally:
        os.close(file)
