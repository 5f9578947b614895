"""Walk a context: which files, folders and links travel, without reading what is in them.

Longer than 250 lines: one walk, whose state its steps share.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal

from msgspec import structs

from buildr.context.entries import CLIMBING, Entry, Scan, Skipped, Without, printable
from buildr.context.ignore.defaults import HISTORIES, default_rules
from buildr.context.links import climbs
from buildr.context.secret_contents import remembers_login
from buildr.context.secrets import SecretTable, Suspicion
from buildr.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from buildr.context.entries import EntryKind
    from buildr.context.ignore.rules import IgnoreRules
    from buildr.context.pins import Pins

__all__ = ["Entry", "Scan", "Skipped", "scan", "scan_file"]

_SPECIAL: Final = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
# The log of a branch tells where it was cloned from, and is long.
_LOGINS: Final = Suspicion(1 << 20, remembers_login, if_longer=False)
_Secrets = Literal["look", "let", "hold", "history"]
_PRIVATE: Final = "named for secrets by an option or a variable of this host, and never travels"
_MOST_LINKED: Final = (
    10_000  # files of a held folder, among which those with other names are looked for
)

_name = attrgetter("name")


def scan(
    root: Path,
    *,
    rules: IgnoreRules | None,
    include_secrets: bool = False,
    without: Without = Without(),  # noqa: B008 - it is immutable
    known: Callable[[Entry], bool] = lambda _: False,
    pins: Pins | None = None,
) -> Scan:
    """Find what travels of the directory ``root``.

    Links are kept as links and never followed. A folder that is left out is not entered, unless a rule may
    bring back something below it. Of files only those are read whose name leaves open whether they hold a secret; source
    code and large files are not among them. What vanishes during the walk counts as not there.

    Args:
        root: the context.
        rules: from its ignore file; None means the defaults.
        include_secrets: send likely secrets too.
        without: what is left out whatever the rules say.
        known: whether a file has not changed since an earlier scan with the same arguments looked into it and let it travel.
        pins: holds the contents of files that are written to all the time.

    Raises:
        ContextError: something that should travel cannot be read, or a
            name would be taken for a deletion by the engines.
    """
    walk = _Walk(os.fspath(root), rules or default_rules(), known)
    walk.include_secrets = include_secrets
    walk.without = without
    walk.pins = pins
    return walk.run()


def scan_file(path: Path, pins: Pins | None = None) -> Scan:
    """Find one file, as if it were all that is in its folder.

    Args:
        path: a regular file, its links followed.
        pins: holds its content if it is written to all the time.

    Raises:
        ContextError: it is not there, or cannot be read.
    """
    try:
        status = os.stat(path, follow_symlinks=False)
        if not _may_read(os.fspath(path)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        entry = _entry(path.name, "file", status)
        if pins is not None:
            entry = pins.pin(os.fspath(path), entry)
    except OSError as error:
        raise ContextError(
            f"the additional file {printable(os.fspath(path))} cannot be read: {error.strerror}",
            hint="Make it readable for you, or leave it out.",
        ) from error
    return Scan(entries=(entry,), secrets=(), skipped=())


class _Folder:
    """A folder on the way down.

    Attributes:
        items: what is still to be looked at.
        pending: its entry, while nothing in it has been found to travel; only for a folder that is left
            out itself.
        secrets: ``look`` for them, ``let`` all travel, or ``hold`` everything back that is not asked for; in a folder of
            ``history`` look for logins.
    """

    __slots__ = ("items", "pending", "secrets")

    def __init__(
        self, items: Iterator[os.DirEntry[str]], pending: Entry | None, secrets: _Secrets
    ) -> None:
        self.items = items
        self.pending = pending
        self.secrets: _Secrets = secrets


class _Walk:
    def __init__(self, root: str, rules: IgnoreRules, known: Callable[[Entry], bool]) -> None:
        self.include_secrets = False
        self.without = Without()
        self.pins: Pins | None = None
        self._root = root
        self._cut = len(root.rstrip("/")) + 1
        self._rules = rules
        self._known = known
        self._table = SecretTable(rules)
        self._euid = os.geteuid()
        self._entries: list[Entry] = []
        self._secrets: list[str] = []
        self._skipped: list[Skipped] = []
        self._watched: list[Entry] = []
        self._histories: list[str] = []
        self._first_names: dict[tuple[int, int], str] = {}
        self._held: set[tuple[int, int]] = set()  # files of more than one name
        self._folders: list[_Folder] = []
        self._pending = 0  # how many of them have a pending entry

    def run(self) -> Scan:
        try:
            # Before it is listed, as with all folders: what comes into it meanwhile then shows.
            self._watched.append(_entry("", "dir", os.stat(self._root)))
            items = _list(self._root)
        except OSError as error:
            raise ContextError(
                f"The context {self._root} cannot be read: {error.strerror}",
                hint="It has to be a directory that you may read and enter.",
            ) from error
        self._folders.append(_Folder(iter(items), None, "let" if self.include_secrets else "look"))
        while self._folders:
            item = next(self._folders[-1].items, None)
            if item is None:
                self._pending -= self._folders.pop().pending is not None
                continue
            path = item.path[self._cut :]
            if path in self.without.paths:
                continue
            try:
                self._visit(item, path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # it has vanished meanwhile, or a folder above it
            except OSError as error:
                raise self._unreadable(path, error.strerror) from error
        return Scan(
            entries=tuple(self._without_held() if self._held else self._entries),
            secrets=tuple(self._secrets),
            skipped=tuple(self._skipped),
            watched=tuple(self._watched),
            histories=tuple(self._histories),
        )

    def _visit(self, item: os.DirEntry[str], path: str) -> None:
        excluded = self._rules.excludes(path)
        if not excluded and item.name in HISTORIES and not self._asks_for_history(path, item.name):
            self._histories.append(path)
        elif not item.is_dir(follow_symlinks=False):
            if not excluded:
                self._file(item, path)
            elif not self.include_secrets and self._table.is_secret_name(path, item.name):
                self._hold_other_names(item.stat(follow_symlinks=False))
        elif not excluded:
            self._folder(item, path, excluded=False)
        elif self._rules.may_reinclude(path):
            # Docker, too, takes it that nothing was meant in an excluded folder that cannot be read.
            with suppress(PermissionError):
                self._folder(item, path, excluded=True)

    def _folder(self, item: os.DirEntry[str], path: str, *, excluded: bool) -> None:
        secrets = self._secrets_in(path, item.name)
        if secrets == "hold" and not excluded and not self._table.may_ask_below(path):
            self._secrets.append(path + "/")
            self._hold_names_of_all(item.path)
            return
        entry = _entry(path, "dir", item.stat(follow_symlinks=False))
        pending = excluded or secrets == "hold"
        if pending:
            self._watched.append(entry)
        items = _list(item.path)
        if self._rules.markers and not self._rules.markers.isdisjoint([i.name for i in items]):
            self._watched.append(entry)
            return
        if pending:
            self._pending += 1
        else:
            self._add(entry)
        self._folders.append(_Folder(iter(items), entry if pending else None, secrets))

    def _file(self, item: os.DirEntry[str], path: str) -> None:
        status = item.stat(follow_symlinks=False)
        is_link = stat.S_ISLNK(status.st_mode)
        if not is_link and not stat.S_ISREG(status.st_mode):
            reason = _SPECIAL.get(stat.S_IFMT(status.st_mode), "no file, folder or link")
            self._skipped.append(Skipped(path, reason))
        elif (status.st_dev, status.st_ino) in self.without.files:
            self._skipped.append(Skipped(path, _PRIVATE))
            self._watched.append(_entry(path, "symlink" if is_link else "file", status))
        elif not is_link:
            self._regular_file(item, path, status)
        elif self._is_secret_link(path, item.name):
            self._secrets.append(path)
            self._watched.append(_entry(path, "symlink", status))
        else:
            target = os.readlink(item.path)
            if climbs(path, target):
                self._skipped.append(Skipped(path, CLIMBING))
                self._watched.append(_entry(path, "symlink", status, target))
            else:
                self._add(_entry(path, "symlink", status, target))

    def _regular_file(self, item: os.DirEntry[str], path: str, status: os.stat_result) -> None:
        entry = _entry(path, "file", status)
        if self.pins is not None and status.st_nlink == 1:
            entry = self.pins.pin(item.path, entry)
        if not self._known(entry) and self._is_secret(item, path, status):
            self._secrets.append(path)
            self._watched.append(entry)
            self._hold_other_names(status)
            return
        if status.st_nlink > 1:
            first = self._first_names.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                self._add(_entry(path, "hardlink", status, first))
                return
        mine = status.st_uid == self._euid and status.st_mode & stat.S_IRUSR
        # Only where the mode leaves doubt is the system asked.
        if not (mine or status.st_mode & 0o444 == 0o444 or _may_read(item.path)):
            os.lstat(item.path)  # what has vanished may not be read either
            raise self._unreadable(path)
        self._add(entry)

    def _add(self, entry: Entry) -> None:
        if self._pending:
            self._pending = 0
            for folder in self._folders:
                pending, folder.pending = folder.pending, None
                if pending is not None:
                    self._add(pending)
        if entry.path.rpartition("/")[2].startswith(".wh."):
            raise ContextError(
                f"{printable(entry.path)} cannot travel: in the layer of an image, a name that begins with"
                " .wh. means that a file is deleted",
                hint=f"Rename it, or leave it out: add it to {self._ignore_file()}.",
            )
        self._entries.append(entry)

    def _asks_for_history(self, path: str, name: str) -> bool:
        texts = (pattern.text.split("/") for pattern in self._rules.exceptions)
        return self._table.asks_for_folder(path, name) or any(name in parts for parts in texts)

    def _secrets_in(self, path: str, name: str) -> _Secrets:
        above = self._folders[-1].secrets
        if above == "let":
            return above
        if name in HISTORIES:
            return "history"
        if above != "hold" and not self._table.is_secret_folder(path, name):
            return above
        return "let" if self._table.asks_for_folder(path, name) else "hold"

    def _is_secret_link(self, path: str, name: str) -> bool:
        """Say whether a link is held back, which only its name decides."""
        secrets = self._folders[-1].secrets
        if secrets == "let" or self._table.asks_for(path, name):
            return False
        if secrets == "hold" or self._table.is_secret_name(path, name):
            return True
        return self._secrets_in(path, name) == "hold"

    def _is_secret(self, item: os.DirEntry[str], path: str, status: os.stat_result) -> bool:
        secrets = self._folders[-1].secrets
        if secrets == "let":
            return False
        if secrets == "hold":
            return not self._table.asks_for(path, item.name)
        if secrets == "history":
            # What Git keeps of contents is compressed, and cannot be left out.
            suspicion = None if "/objects/" in path else _LOGINS
        else:
            suspicion = self._table.suspect(path, item.name)
        if suspicion is None:
            return False
        content = self.pins.contents.get(path) if self.pins is not None else None
        size = status.st_size if content is None else len(content)
        if size > suspicion.most_bytes:
            return suspicion.if_longer
        if content is None:
            content = _content(item.path, suspicion.most_bytes) if size else b""
        return suspicion.is_secret(content)

    def _hold_other_names(self, status: os.stat_result) -> None:
        if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
            self._held.add((status.st_dev, status.st_ino))

    def _hold_names_of_all(self, folder: str) -> None:
        """Hold back what has another name in a folder that is held back as a whole."""
        left = _MOST_LINKED
        for above, _, names in os.walk(folder):
            for name in names[:left]:
                with suppress(OSError):
                    self._hold_other_names(os.lstat(f"{above}/{name}"))
            left -= len(names)
            if left <= 0:
                return

    def _without_held(self) -> Iterator[Entry]:
        """Yield the entries without further names of files that are held back; those that are asked for stay."""
        first_names: dict[tuple[int, int], str] = {}
        for entry in self._entries:
            key = (entry.device, entry.inode)
            if key not in self._held or entry.kind not in ("file", "hardlink"):
                yield entry
            elif not self._table.asks_for(entry.path, entry.path.rpartition("/")[2]):
                self._secrets.append(entry.path)
                self._watched.append(entry)
            elif (first := first_names.setdefault(key, entry.path)) != entry.path:
                yield structs.replace(entry, kind="hardlink", size=0, target=first)
            else:
                size = os.lstat(f"{self._root}/{entry.path}").st_size
                yield structs.replace(entry, kind="file", size=size, target="")

    def _unreadable(self, path: str, reason: str | None = "Permission denied") -> ContextError:
        return ContextError(
            f"{printable(path)} in the context {self._root} cannot be read: {reason}",
            hint="Give yourself the right to read it (chmod u+rX), or leave it out: add it to"
            f" {self._ignore_file()}.",
        )

    def _ignore_file(self) -> str:
        return "a .containerignore file" if self._rules is default_rules() else self._rules.source


def _entry(path: str, kind: EntryKind, status: os.stat_result, target: str = "") -> Entry:
    return Entry(
        path,
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_size if kind == "file" else 0,
        status.st_mtime_ns,
        status.st_ino,
        status.st_dev,
        target,
        status.st_ctime_ns,
    )


def _list(path: str) -> list[os.DirEntry[str]]:
    with os.scandir(path) as found:
        items = sorted(found, key=_name)
    # Code points and UTF-8 bytes sort alike, except the surrogates that represent invalid bytes.
    if not "".join(map(_name, items)).isascii():
        items.sort(key=lambda item: os.fsencode(item.name))
    return items


def _may_read(path: str) -> bool:
    return os.access(path, os.R_OK, effective_ids=True)


def _content(path: str, most: int) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(file, most)
    finally:
        os.close(file)
