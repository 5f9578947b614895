"""How the engine stores layers: whether it copies them whole."""

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
_ROOTLESS_OVERLAY = (
    5,
    13,
)  # the first Linux that lets a plain user mount one that works with SELinux, too
_DRIVER = re.compile(r"^[ \t]*driver[ \t]*=", re.MULTILINE)


def check(host: Host, engine: Engine) -> Check:
    """Check how the engine stores layers."""
    details = engine.details
    if engine.failure:
        return Check(name=_NAME, status="warn", text=f"the engine does not tell: {engine.failure}")
    if details.storage_driver != _SLOW_DRIVER:
        runtime = f", runtime {details.oci_runtime}" if details.oci_runtime else ""
        text = f"{details.storage_driver or 'the engine does not tell'}{runtime}"
        return Check(name=_NAME, status="ok", text=text)
    text = "the driver vfs, which copies every layer whole: builds are slow and fill the disk"
    if engine.backend.info.backend == "podman" and not engine.backend.info.remote:
        return _podman(host, engine, text)
    advice = 'Set "storage-driver": "overlay2" in /etc/docker/daemon.json and restart Docker.'
    if engine.backend.info.backend == "podman":
        advice = 'Set driver = "overlay" in storage.conf on its machine, after a `podman system reset` there.'
    return Check(name=_NAME, status="warn", text=text, advice=advice)


def _podman(host: Host, engine: Engine, text: str) -> Check:
    """Say how Podman comes to use overlay, by the file of containers-storage.conf(5) that counts here."""
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
        mend=(
            *(install(host, packages) if packages else ()),
            f"{sudo}podman system reset",
            *change,
        ),
    )


def _kernel(release: str) -> tuple[int, ...]:
    """Return the first two numbers of a kernel's release; what cannot be read counts as new."""
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else _ROOTLESS_OVERLAY
