"""The checks of what a daemonless rootless engine, such as Podman, needs on a machine.

Sources: subuid(5), newuidmap(1), user_namespaces(7), and Podman's tutorial for rootless use.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from buildr.doctor.distribution import install, install_id_mapping
from buildr.doctor.model import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.doctor.model import Host, Status

_ENOUGH = 65536  # ids that images may use
_FIRST = 100_000  # below are the system's own and people's


def checks(
    host: Host, *, bad: Status, user_ids: int = 0, network_program: str = ""
) -> Iterator[Check]:
    """Yield all of these checks.

    Args:
        host: the machine.
        bad: the status of a missing part: ``fail`` if no engine works, else ``warn``.
        user_ids: the number of user ids that the engine reports; 0: unknown.
        network_program: as `buildr.engines.records.EngineInfo.network_program`.
    """
    yield user_namespaces(host, bad)
    yield subordinate_ids(host, bad, user_ids)
    yield id_mapping(host, bad)
    yield network(host, bad, network_program)
    yield runtime_directory(host)


def user_namespaces(host: Host, bad: Status) -> Check:
    """Check that the kernel allows user namespaces."""
    for path, key, value in (
        ("/proc/sys/user/max_user_namespaces", "user.max_user_namespaces", "28633"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", "1"),
    ):
        if host.read(path).strip() == "0":
            return Check(
                name="user namespaces",
                status=bad,
                text=f"the kernel forbids them: {key} is 0",
                fix=(
                    f"echo {key}={value} | sudo tee /etc/sysctl.d/90-user-namespaces.conf",
                    "sudo sysctl --system",
                ),
            )
    return Check(name="user namespaces", status="ok", text="the kernel allows them")


def subordinate_ids(host: Host, bad: Status, user_ids: int = 0) -> Check:
    """Check that the user has subordinate ids."""
    name = "subordinate ids"
    files = ("/etc/subuid", "/etc/subgid")
    counts = [
        sum(count for owner, _, count in _ranges(host, file) if owner in (host.user, str(host.uid)))
        for file in files
    ]
    if min(counts) >= _ENOUGH:
        text = f"{counts[0]} user ids, {counts[1]} group ids in /etc/subuid and /etc/subgid"
        return Check(name=name, status="ok", text=text)
    if user_ids > _ENOUGH:
        text = f"{user_ids - 1} user ids, not from /etc/subuid but from a directory service"
        return Check(name=name, status="ok", text=text)
    lacking = [file for file, count in zip(files, counts, strict=True) if count < _ENOUGH]
    few = " and ".join(f"{count} in {file}" for file, count in zip(files, counts, strict=True))
    first = max(
        (start + size for file in files for _, start, size in _ranges(host, file)), default=0
    )
    entry = f"{host.user}:{max(first, _FIRST)}:{_ENOUGH}"
    return Check(
        name=name,
        status=bad,
        text=f"{host.user} has {few}; images with files of several users cannot be stored, and"
        " scripts run as root, which is you outside",
        fix=(f"echo {entry} | sudo tee -a {' '.join(lacking)}", "podman system migrate"),
    )


def _ranges(host: Host, file: str) -> Iterator[tuple[str, int, int]]:
    """Yield owner, first id and count of each line; like readers of subuid(5), skip other lines."""
    for line in host.read(file).splitlines():
        owner, _, rest = line.strip().partition(":")
        first, _, count = rest.partition(":")
        if first.isdecimal() and count.isdecimal():
            yield owner, int(first), int(count)


def id_mapping(host: Host, bad: Status) -> Check:
    """Check for the two programs that map subordinate ids."""
    programs = {name: host.program(name) for name in ("newuidmap", "newgidmap")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        return Check(
            name="id mapping",
            status=bad,
            text=f"{' and '.join(missing)} {_are(missing)} not installed",
            fix=install_id_mapping(host),
            advice="Install the package that holds newuidmap.",
        )
    powerless = [path for path in programs.values() if path and not _is_privileged(path)]
    if powerless:
        return Check(
            name="id mapping",
            status=bad,
            text=f"{' and '.join(powerless)} {_are(powerless)} neither setuid nor given a capability",
            fix=(f"sudo chmod u+s {' '.join(powerless)}",),
        )
    return Check(
        name="id mapping", status="ok", text="newuidmap and newgidmap are installed and privileged"
    )


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _is_privileged(path: str) -> bool:
    if os.stat(path).st_mode & stat.S_ISUID:
        return True
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:  # no capability, or a file system without support for them
        return False


def network(host: Host, bad: Status, program: str = "") -> Check:
    """Check for the device and the program for networks of rootless containers."""
    name = "network"
    device = "/dev/net/tun"
    if not os.path.exists(host.root + device):
        return Check(
            name=name, status=bad, text=f"there is no {device}", fix=("sudo modprobe tun",)
        )
    if not os.access(host.root + device, os.R_OK | os.W_OK):
        return Check(
            name=name,
            status=bad,
            text=f"{device} cannot be opened by you",
            fix=(f"sudo chmod 666 {device}",),
        )
    wanted = (program,) if program else ("slirp4netns", "pasta")
    found = [name for name in wanted if host.program(name)]
    if found:
        text = f"{device} and {' and '.join(found)} are available"
        return Check(name=name, status="ok", text=text)
    package = "passt" if wanted == ("pasta",) else "slirp4netns"
    return Check(
        name=name,
        status=bad,
        text=f"{' or '.join(wanted)} is not installed",
        fix=install(host, (package,)),
        advice=f"Install the package {package}.",
    )


def runtime_directory(host: Host) -> Check:
    """Check the directory for sockets and locks; without it the engine uses ``/tmp``."""
    name = "runtime dir"
    given = host.environ.get("XDG_RUNTIME_DIR", "")
    usual = f"/run/user/{host.uid}"
    path = given or usual
    if _is_own(host.root + path, host.uid):
        how = "XDG_RUNTIME_DIR" if given else "though XDG_RUNTIME_DIR is not set"
        return Check(name=name, status="ok", text=f"{path}, {how}")
    if given and _is_own(host.root + usual, host.uid):
        return Check(
            name=name,
            status="warn",
            text=f"XDG_RUNTIME_DIR is {given}, which is not yours",
            fix=(f"export XDG_RUNTIME_DIR={usual}",),
        )
    what = f"XDG_RUNTIME_DIR is {given}, which is not yours" if given else "there is none"
    fix: tuple[str, ...] = (
        f"mkdir -p -m 700 /tmp/run-{host.uid} && export XDG_RUNTIME_DIR=/tmp/run-{host.uid}",
    )
    if os.path.isdir(f"{host.root}/run/systemd/system"):
        fix = (
            f"sudo loginctl enable-linger {host.user}",
            f"export XDG_RUNTIME_DIR={usual}",
        )
    return Check(name=name, status="warn", text=f"{what}; sockets go to /tmp", fix=fix)


def _is_own(path: str, uid: int) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid
