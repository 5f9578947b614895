"""The input and the results of checks."""

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
    """The machine, seen by one user.

    Attributes:
        root: the directory under which ``/etc``, ``/proc`` and the rest are looked for, without a slash at its end.
        environ: the user's environment.
        uid: the user's id.
        user: the user's name; the id if there is none.
    """

    root: str
    environ: Mapping[str, str]
    uid: int
    user: str

    def read(self, path: str) -> str:
        """Return a file's text; empty if it cannot be read."""
        try:
            return read_file(self.root + path).decode(errors="replace")
        except OSError:
            return ""

    def program(self, name: str) -> str | None:
        """Return the path of a program on ``PATH``; ``None`` if it is missing."""
        return shutil.which(name, path=self.environ.get("PATH", os.defpath))


class Check(Struct, frozen=True, kw_only=True):
    """One line of the report.

    Attributes:
        name: the examined part.
        status: ``fail`` if it prevents scripts from running, ``warn`` if something works less well.
        text: the result.
        fix: commands that fix it, each to be entered unchanged.
        advice: what to do, if no command fixes it.
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
        engine: the backend that would run a script now; ``None`` if none can.
        checks: the checks in their logical order.
    """

    host: str
    engine: str | None
    checks: tuple[Check, ...]

    @property
    def usable(self) -> bool:
        """Whether a script can run in a container."""
        return self.engine is not None and not any(check.status == "fail" for check in self.checks)


def this_host() -> Host:
    """Return this machine and the current user."""
    import pwd

    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return Host(root="", environ=os.environ, uid=uid, user=user)
