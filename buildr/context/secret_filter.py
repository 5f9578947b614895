"""Decides which files, folders and links of a scan are left out as secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from buildr.context.ignore.defaults import HISTORIES
from buildr.context.listing import read_beginning
from buildr.context.secret_contents import remembers_login
from buildr.context.secrets import SecretTable, Suspicion

if TYPE_CHECKING:
    import os

    from buildr.context.ignore.rules import IgnoreRules
    from buildr.context.pins import Pins

Mode = Literal["search", "include", "exclude", "history"]
"""What happens to secrets in a folder: ``search`` for them, ``include`` them, or ``exclude`` everything that no exception
names; in a ``history`` of version control, search for logins.
"""

# The log of a branch says where it was cloned from, and may be long.
_LOGINS: Final = Suspicion(1 << 20, remembers_login, if_longer=False)


class SecretFilter:
    """The decisions of one scan.

    Args:
        rules: the ignore rules, whose exceptions can include secrets.
        pins: contents that were read before; ``None``: there are none.

    Attributes:
        table: the names and kinds of secrets.
    """

    def __init__(self, rules: IgnoreRules, pins: Pins | None) -> None:
        self.table = SecretTable(rules)
        self._rules = rules
        self._pins = pins

    def includes_history(self, path: str, name: str) -> bool:
        """Whether an exception of the ignore file includes a version control folder."""
        texts = (pattern.text.split("/") for pattern in self._rules.exceptions)
        return self.table.asks_for_folder(path, name) or any(name in parts for parts in texts)

    def mode_in(self, above: Mode, path: str, name: str) -> Mode:
        """Return the mode in a folder, given that of its parent."""
        if above == "include":
            return above
        if name in HISTORIES:
            return "history"
        if above != "exclude" and not self.table.is_secret_folder(path, name):
            return above
        return "include" if self.table.asks_for_folder(path, name) else "exclude"

    def excludes_link(self, mode: Mode, path: str, name: str) -> bool:
        """Whether a link in a folder with this mode is left out; only its name decides."""
        if mode == "include" or self.table.asks_for(path, name):
            return False
        if mode == "exclude" or self.table.is_secret_name(path, name):
            return True
        return self.mode_in(mode, path, name) == "exclude"

    def excludes_file(
        self, mode: Mode, item: os.DirEntry[str], path: str, status: os.stat_result
    ) -> bool:
        """Whether a file in a folder with this mode is left out; read it if its name does not decide.

        Raises:
            OSError: it cannot be read.
        """
        if mode == "include":
            return False
        if mode == "exclude":
            return not self.table.asks_for(path, item.name)
        if mode == "history":
            # Git compresses contents, so only its other files can be searched.
            suspicion = None if "/objects/" in path else _LOGINS
        else:
            suspicion = self.table.suspect(path, item.name)
        if suspicion is None:
            return False
        content = self._pins.contents.get(path) if self._pins is not None else None
        size = status.st_size if content is None else len(content)
        if size > suspicion.most_bytes:
            return suspicion.if_longer
        if content is None:
            content = read_beginning(item.path, suspicion.most_bytes) if size else b""
        return suspicion.is_secret(content)
