"""The check of the engine's storage driver."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from buildr.doctor.distribution import install
from buildr.doctor.model import Check

if TYPE_CHECKING:
    from buildr.doctor.engines import Engine
    from buildr.doctor.model import Host

_NAME = "storage"
_SLOW_DRIVER = "vfs"
_ROOTLESS_OVERLAY = (5, 13)
"""The first Linux on which unprivileged users can mount overlays that work with SELinux."""
_ADVICE = {
    "containers": 'Set driver = "overlay" in storage.conf on its machine, after a `podman system reset` there.',
    "docker": 'Set "storage-driver": "overlay2" in /etc/docker/daemon.json and restart Docker.',
    "": "Let the engine use another storage driver, such as overlay.",
}
_DRIVER = re.compile(r"^[ \t]*driver[ \t]*=", re.MULTILINE)


def check(host: Host, engine: Engine) -> Check:
    """Check the engine's storage driver."""
    details = engine.details
    if engine.failure:
        return Check(name=_NAME, status="warn", text=f"not known: {engine.failure}")
    if details.storage_driver != _SLOW_DRIVER:
        runtime = f", runtime {details.oci_runtime}" if details.oci_runtime else ""
        text = f"{details.storage_driver or 'the engine does not report its driver'}{runtime}"
        return Check(name=_NAME, status="ok", text=text)
    text = "the driver vfs, which copies every layer whole: builds are slow and fill the disk"
    if details.configuration == "containers" and not engine.backend.info.remote:
        return _podman(host, engine, text)
    return Check(name=_NAME, status="warn", text=text, advice=_ADVICE[details.configuration])


def _podman(host: Host, engine: Engine, text: str) -> Check:
    """Say how to make Podman use overlay, in the containers-storage.conf(5) that applies here."""
    sudo = ""
    configured = host.environ.get("CONTAINERS_STORAGE_CONF", "")
    path = configured or "/etc/containers/storage.conf"
    packages: tuple[str, ...] = ()
    if engine.backend.info.rootless:
        home = host.environ.get("XDG_CONFIG_HOME") or f"{host.environ.get('HOME', '~')}/.config"
        path = configured or f"{home}/containers/storage.conf"
        if _kernel(engine.details.kernel) < _ROOTLESS_OVERLAY:
            packages = ("fuse-overlayfs",)
    elif host.uid != 0:
        sudo = "sudo "
    found, path, directory = host.read(path), shlex.quote(path), shlex.quote(os.path.dirname(path))
    if not found:
        write = f"printf '[storage]\\ndriver = \"overlay\"\\n' | {sudo}tee {path}"
        change = (f"{sudo}mkdir -p {directory} && {write}",)
    elif _DRIVER.search(found):
        change = (f"{sudo}sed -i 's/^[ \\t]*driver[ \\t]*=.*/driver = \"overlay\"/' {path}",)
    else:
        change = (f"{sudo}sed -i '/^\\[storage\\]/a driver = \"overlay\"' {path}",)
    return Check(
        name=_NAME,
        status="warn",
        text=f"{text}; overlay does not. A reset, which removes all images and containers, lets Podman change",
        fix=(
            *(install(host, packages) if packages else ()),
            f"{sudo}podman system reset",
            *change,
        ),
    )


def _kernel(release: str) -> tuple[int, ...]:
    """Return the first two numbers of a kernel's release; an unreadable one counts as new."""
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else _ROOTLESS_OVERLAY
