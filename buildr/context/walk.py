"""The walk of a scan through a context."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from buildr.context.entries import CLIMBING, Entry, Scan, Skipped, Without, printable
from buildr.context.excluded_files import ExcludedFiles
from buildr.context.ignore.defaults import HISTORIES, default_rules
from buildr.context.links import climbs
from buildr.context.listing import entry_of, list_folder, may_read
from buildr.context.secret_filter import SecretFilter
from buildr.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.context.ignore.rules import IgnoreRules
    from buildr.context.pins import Pins
    from buildr.context.secret_filter import Mode

_SPECIAL: Final = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_PRIVATE: Final = "named for secrets by an option or a variable of this host, and never travels"


class _Folder:
    """A folder on the way down.

    Attributes:
        items: the remaining items.
        pending: its entry, until something in it is found to travel; only for a folder that is itself excluded.
        secrets: what happens to secrets in it.
    """

    __slots__ = ("items", "pending", "secrets")

    def __init__(
        self, items: Iterator[os.DirEntry[str]], pending: Entry | None, secrets: Mode
    ) -> None:
        self.items = items
        self.pending = pending
        self.secrets: Mode = secrets


class Walk:
    """One scan; see `buildr.context.scan.scan`.

    Args:
        root: the context.
        rules: its ignore rules.
        known: as for `buildr.context.scan.scan`.
        pins: holds contents of files that change constantly.

    Attributes:
        include_secrets: whether likely secrets travel, too.
        without: what is left out regardless of the rules.
    """

    def __init__(
        self, root: str, rules: IgnoreRules, known: Callable[[Entry], bool], pins: Pins | None
    ) -> None:
        self.include_secrets = False
        self.without = Without()
        self._pins = pins
        self._root = root
        self._cut = len(root.rstrip("/")) + 1
        self._rules = rules
        self._known = known
        self._filter = SecretFilter(rules, pins)
        self._euid = os.geteuid()
        self._entries: list[Entry] = []
        self._secrets: list[str] = []
        self._skipped: list[Skipped] = []
        self._watched: list[Entry] = []
        self._histories: list[str] = []
        self._first_names: dict[tuple[int, int], str] = {}
        self._excluded = ExcludedFiles()
        self._folders: list[_Folder] = []
        self._pending = 0  # the number of folders with a pending entry

    def run(self) -> Scan:
        """Walk the context; see `buildr.context.scan.scan`."""
        try:
            # Before it is listed, like all folders, so that later additions are noticed.
            self._watched.append(entry_of("", "dir", os.stat(self._root)))
            items = list_folder(self._root)
        except OSError as error:
            raise ContextError(
                f"The context {self._root} cannot be read: {error.strerror}",
                hint="It has to be a directory that you may read and enter.",
            ) from error
        self._folders.append(
            _Folder(iter(items), None, "include" if self.include_secrets else "search")
        )
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
            entries=tuple(
                self._excluded.without_links(self._entries, self._root, self._leave_out_link)
                if self._excluded
                else self._entries
            ),
            secrets=tuple(self._secrets),
            skipped=tuple(self._skipped),
            watched=tuple(self._watched),
            histories=tuple(self._histories),
        )

    def _visit(self, item: os.DirEntry[str], path: str) -> None:
        excluded = self._rules.excludes(path)
        if (
            not excluded
            and item.name in HISTORIES
            and not self._filter.includes_history(path, item.name)
        ):
            self._histories.append(path)
        elif not item.is_dir(follow_symlinks=False):
            if not excluded:
                self._file(item, path)
            elif not self.include_secrets and self._filter.table.is_secret_name(path, item.name):
                self._excluded.add(item.stat(follow_symlinks=False))
        elif not excluded:
            self._folder(item, path, excluded=False)
        elif self._rules.may_reinclude(path):
            # Like Docker, ignore an excluded folder that cannot be read.
            with suppress(PermissionError):
                self._folder(item, path, excluded=True)

    def _folder(self, item: os.DirEntry[str], path: str, *, excluded: bool) -> None:
        secrets = self._filter.mode_in(self._folders[-1].secrets, path, item.name)
        if secrets == "exclude" and not excluded and not self._filter.table.may_ask_below(path):
            self._secrets.append(path + "/")
            self._excluded.add_folder(item.path)
            return
        entry = entry_of(path, "dir", item.stat(follow_symlinks=False))
        pending = excluded or secrets == "exclude"
        if pending:
            self._watched.append(entry)
        items = list_folder(item.path)
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
            self._watched.append(entry_of(path, "symlink" if is_link else "file", status))
        elif not is_link:
            self._regular_file(item, path, status)
        elif self._filter.excludes_link(self._folders[-1].secrets, path, item.name):
            self._secrets.append(path)
            self._watched.append(entry_of(path, "symlink", status))
        else:
            target = os.readlink(item.path)
            if climbs(path, target):
                self._skipped.append(Skipped(path, CLIMBING))
                self._watched.append(entry_of(path, "symlink", status, target))
            else:
                self._add(entry_of(path, "symlink", status, target))

    def _regular_file(self, item: os.DirEntry[str], path: str, status: os.stat_result) -> None:
        entry = entry_of(path, "file", status)
        if self._pins is not None and status.st_nlink == 1:
            entry = self._pins.pin(item.path, entry)
        mode = self._folders[-1].secrets
        if not self._known(entry) and self._filter.excludes_file(mode, item, path, status):
            self._secrets.append(path)
            self._watched.append(entry)
            self._excluded.add(status)
            return
        if status.st_nlink > 1:
            first = self._first_names.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                self._add(entry_of(path, "hardlink", status, first))
                return
        mine = status.st_uid == self._euid and status.st_mode & stat.S_IRUSR
        # Ask the system only if the mode is not conclusive.
        if not (mine or status.st_mode & 0o444 == 0o444 or may_read(item.path)):
            os.lstat(item.path)  # a vanished file cannot be read either
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

    def _leave_out_link(self, entry: Entry) -> bool:
        if self._filter.table.asks_for(entry.path, entry.path.rpartition("/")[2]):
            return False
        self._secrets.append(entry.path)
        self._watched.append(entry)
        return True

    def _unreadable(self, path: str, reason: str | None = "Permission denied") -> ContextError:
        return ContextError(
            f"{printable(path)} in the context {self._root} cannot be read: {reason}",
            hint="Give yourself the right to read it (chmod u+rX), or leave it out: add it to"
            f" {self._ignore_file()}.",
        )

    def _ignore_file(self) -> str:
        return "a .containerignore file" if self._rules is default_rules() else self._rules.source
