"""The environment of a Podman service: that of this process, without variables that would mislead it.

Podman does not check directories that variables name. One that does not exist ends in a crash (``TMPDIR``), in containers
that cannot start (``XDG_RUNTIME_DIR``), or in storage that cannot be found (``HOME``); shells that outlive a session, cron jobs and
containers have such variables. Without the variable Podman finds a directory by itself.
"""

from __future__ import annotations

import os
import stat

# These would make Podman talk to another engine, or to systemd on behalf of another process.
_NOT_FOR_SERVICE = {
    "CONTAINER_CONNECTION",
    "CONTAINER_HOST",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "PODMAN_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
}


def service_environment() -> dict[str, str]:
    """Return the variables of a service."""
    found = {k: v for k, v in os.environ.items() if k not in _NOT_FOR_SERVICE}
    if not _is_own(found.get("TMPDIR", ""), others=True):
        found.pop("TMPDIR", None)
    if not _is_own(found.get("XDG_RUNTIME_DIR", "")):
        found.pop("XDG_RUNTIME_DIR", None)
        usual = f"/run/user/{os.geteuid()}"
        if _is_own(usual):
            found["XDG_RUNTIME_DIR"] = usual
    if not os.path.isdir(found.get("HOME", "")) and (home := _home()):
        found["HOME"] = home
    return found


def _is_own(path: str, *, others: bool = False) -> bool:
    """Whether a path names a directory that this user may write to: of the user's own, or of others, too."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    mine = others or status.st_uid == os.geteuid()
    is_directory = os.path.isabs(path) and stat.S_ISDIR(status.st_mode)
    return mine and is_directory and os.access(path, os.W_OK | os.X_OK)


def _home() -> str:
    """Return the home directory that the user database names, if it exists."""
    import pwd

    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # this uid has no entry in the user database
        return ""
    return home if os.path.isdir(home) else ""
