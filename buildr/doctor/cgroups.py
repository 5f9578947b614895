"""The checks of control groups: whether limits of memory and CPUs apply."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Literal

from buildr.doctor.distribution import boot_with_cgroup_2, install
from buildr.doctor.model import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.doctor.engines import Engine
    from buildr.doctor.model import Host

_NAME = "cgroups"
_WANTED = ("cpu", "memory", "pids")
_DELEGATE = (
    "sudo mkdir -p /etc/systemd/system/user@.service.d",
    r"printf '[Service]\nDelegate=cpu cpuset io memory pids\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf",
    "sudo systemctl daemon-reload  # then log in again",
)


def version(host: Host) -> Literal["1", "2", ""]:
    """Return the version that this machine uses; empty if none is mounted.

    With both mounted ("hybrid"), version 1 has the controllers.
    """
    base = f"{host.root}/sys/fs/cgroup"
    if os.path.exists(f"{base}/cgroup.controllers"):
        return "2"
    return "1" if os.path.isdir(base) and os.listdir(base) else ""


def check(host: Host, *, rootless: bool, engine_says: str = "") -> Check:
    """Check whether limits apply to containers of this user.

    Args:
        host: the machine.
        rootless: whether the engine is rootless.
        engine_says: the version reported by the engine, if any.
    """
    found = engine_says or version(host)
    if found not in ("1", "2"):
        return Check(
            name=_NAME, status="warn", text="none are mounted, so `memory` and `cpus` cannot hold"
        )
    if not rootless:
        return Check(name=_NAME, status="ok", text=f"version {found}: limits hold")
    if found == "1":
        return Check(
            name=_NAME,
            status="warn",
            text="version 1, where a rootless engine ignores `memory` and `cpus`",
            fix=boot_with_cgroup_2(host),
            advice="Boot with cgroup version 2, if you need these limits.",
        )
    return _delegated(host)


def runtime(host: Host, engine: Engine) -> Iterator[Check]:
    """Yield a failure if the OCI runtime refuses this machine's control groups.

    If both versions have controllers, crun starts nothing (its libcrun/cgroup-setup.c); runc does.
    """
    hybrid = version(host) == "1" and host.read("/sys/fs/cgroup/unified/cgroup.controllers").strip()
    if not hybrid or engine.details.oci_runtime != "crun" or engine.backend.info.remote:
        return
    text = "crun starts nothing here, since both versions of cgroups have controllers; runc would"
    if engine.details.configuration != "containers":
        yield Check(name="runtime", status="fail", text=text, advice="Let the engine use runc.")
        return
    sudo, path = "", "/etc/containers/containers.conf"
    if engine.backend.info.rootless:
        home = host.environ.get("XDG_CONFIG_HOME") or f"{host.environ.get('HOME', '~')}/.config"
        path = f"{home}/containers/containers.conf"
    elif host.uid != 0:
        sudo = "sudo "
    path = host.environ.get("CONTAINERS_CONF") or path
    found, path, directory = host.read(path), shlex.quote(path), shlex.quote(os.path.dirname(path))
    if "[engine]" in found:
        change = f"""{sudo}sed -i '/^\\[engine\\]/a runtime = "runc"' {path}"""
    else:
        write = f"""printf '[engine]\\nruntime = "runc"\\n' | {sudo}tee -a {path}"""
        change = f"{sudo}mkdir -p {directory} && {write}"
    yield Check(
        name="runtime",
        status="fail",
        text=text,
        fix=(*(() if host.program("runc") else install(host, ("runc",))), change),
    )


def _delegated(host: Host) -> Check:
    """Check the controllers that systemd delegates to the user.

    See systemd.resource-control(5), ``Delegate=``; older versions do not delegate CPUs by default.
    """
    service = f"/sys/fs/cgroup/user.slice/user-{host.uid}.slice/user@{host.uid}.service"
    controllers = host.read(f"{service}/cgroup.controllers").split()
    missing = [name for name in _WANTED if name not in controllers]
    if not missing:
        return Check(name=_NAME, status="ok", text="version 2, delegated to you: limits hold")
    if not controllers:
        return Check(
            name=_NAME,
            status="warn",
            text="version 2, but you have no systemd session, so `memory` and `cpus` may not hold",
            fix=(f"sudo loginctl enable-linger {host.user}  # then log in again",),
        )
    return Check(
        name=_NAME,
        status="warn",
        text=f"version 2, but not delegated to you: {', '.join(missing)}; those limits do not hold",
        fix=_DELEGATE,
    )
