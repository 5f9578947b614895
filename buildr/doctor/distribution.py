"""The commands that differ between distributions.

Source: os-release(5), whose ``ID_LIKE`` names the family that a derivative comes from.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.doctor.model import Host

Family: TypeAlias = Literal["debian", "fedora", "arch", "suse", "alpine", "other"]

_IDS: dict[str, Family] = {
    "debian": "debian",
    "ubuntu": "debian",
    "fedora": "fedora",
    "rhel": "fedora",
    "centos": "fedora",
    "arch": "arch",
    "suse": "suse",
    "opensuse": "suse",
    "opensuse-leap": "suse",
    "opensuse-tumbleweed": "suse",
    "sles": "suse",
    "alpine": "alpine",
}
_INSTALL: dict[Family, str] = {
    "debian": "sudo apt-get install -y",
    "fedora": "sudo dnf install -y",
    "arch": "sudo pacman -S --needed",
    "suse": "sudo zypper install -y",
    "alpine": "sudo apk add",
}
# The packages of newuidmap and newgidmap.
_ID_MAPPING: dict[Family, str] = {
    "debian": "uidmap",
    "fedora": "shadow-utils",
    "arch": "shadow",
    "suse": "shadow",
    "alpine": "shadow-subids",
}
_UNIFIED = "systemd.unified_cgroup_hierarchy=1"


def release(host: Host) -> dict[str, str]:
    """Return the fields of ``/etc/os-release``."""
    fields = {}
    for line in (host.read("/etc/os-release") or host.read("/usr/lib/os-release")).splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            fields[name.strip()] = _unquoted(value)
    return fields


def _unquoted(value: str) -> str:
    try:
        return "".join(shlex.split(value))
    except ValueError:  # an unmatched quote
        return value


def family(host: Host) -> Family:
    """Return the family of this distribution, which determines commands."""
    fields = release(host)
    for name in (fields.get("ID", ""), *fields.get("ID_LIKE", "").split()):
        if name in _IDS:
            return _IDS[name]
    return "other"


def install(host: Host, packages: Iterable[str]) -> tuple[str, ...]:
    """Return the command that installs packages; nothing if it is unknown."""
    command = _INSTALL.get(family(host))
    return (f"{command} {' '.join(packages)}",) if command else ()


def install_id_mapping(host: Host) -> tuple[str, ...]:
    """Return the command that installs ``newuidmap``; nothing if it is unknown."""
    package = _ID_MAPPING.get(family(host))
    return install(host, (package,)) if package else ()


def boot_with_cgroup_2(host: Host) -> tuple[str, ...]:
    """Return the commands that make the machine boot with cgroup version 2; nothing if unknown."""
    match family(host):
        case "debian":
            line = f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {_UNIFIED}"'
            return (
                f"echo '{line}' | sudo tee /etc/default/grub.d/cgroup2.cfg",
                "sudo update-grub && sudo reboot",
            )
        case "fedora":
            return (f"sudo grubby --update-kernel=ALL --args={_UNIFIED} && sudo reboot",)
        case "alpine":
            return (
                """sudo sed -i 's/^#*rc_cgroup_mode=.*/rc_cgroup_mode="unified"/' /etc/rc.conf""",
                "sudo rc-update add cgroups && sudo reboot",
            )
        case _:
            return ()
