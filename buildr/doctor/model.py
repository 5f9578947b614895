"""What a check looks at, and what it finds."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from buildr.host.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping

Status: TypeAlias = Literal["ok", "warn", "fail"]


class Host(Struct, frozen=True, kw_only=True):
    """The machine as one user sees it.

    Attributes:
        root: the directory under which ``/etc``, ``/proc`` and the rest are looked for, without a slash at its end.
        environ: the user's environment.
        uid: the user's id.
        user: the user's name; the id where it has none.
    """

    root: str
    environ: Mapping[str, str]
    uid: int
    user: str

    def read(self, path: str) -> str:
        """Return a file's text; empty where it cannot be read."""
        try:
            return read_file(self.root + path).decode(errors="replace")
        except OSError:
            return ""

    def program(self, name: str) -> str | None:
        """Return the path of a program on ``PATH``; ``None`` where there is none."""
        return shutil.which(name, path=self.environ.get("PATH", os.defpath))


class Check(Struct, frozen=True, kw_only=True):
    """One line of the report.

    Attributes:
        name: what was looked at.
        status: ``fail`` where it keeps scripts from running, ``warn`` where something works less well.
        text: what was found.
        fix: what to do about it: commands, each to be entered as it is.
        advice: what to do in words, where no command does it.
    """

    name: str
    status: Status
    text: str
    fix: tuple[str, ...] = ()
    advice: str = ""


class Findings(Struct, frozen=True, kw_only=True):
    """All checks.

    Attributes:
        host: the name of the operating system.
        engine: the backend that would run a script now; ``None`` where none can.
        checks: in the order in which one needs them.
    """

    host: str
    engine: str | None
    checks: tuple[Check, ...]

    @property
    def usable(self) -> bool:
        """Whether a script can run in a container."""
        return self.engine is not None and not any(check.status == "fail" for check in self.checks)


def this_host() -> Host:
    """Return this machine, and who asks."""
    import pwd

    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return Host(root="", environ=os.environ, uid=uid, user=user)
