"""The evidence that this process runs inside a container, from cgroups, mounts, files and the environment.

What counts, and how much:

* Strong: a container's component of the cgroup path (64 hexadecimal digits, ``kubepods``); a mount on ``/etc/hostname``
  and the like from an engine's directory for one container; ``/`` on a layer of an engine's storage; a known
  ``container=``; a file that only an init or a manager inside writes.
* Strong as well: what a runtime with a kernel of its own shows of it, as gVisor and Kata Containers do.
* Weak: ``/.dockerenv`` and ``/run/.containerenv`` remain in an exported file system. They count only where ``/``
  looks like a container's and the pid namespace is not the machine's first.

Bare words never count: a host has ``system.slice/docker.service`` in its cgroups, and its containers' layers in its
mount table. Formats: cgroups(7), proc(5), and https://systemd.io/CONTAINER_INTERFACE.
"""

from __future__ import annotations

import os

from buildr.guest.container_mounts import SERVICE_ACCOUNT, Mounts
from buildr.guest.container_paths import engine_of_cgroup, engine_of_layer, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Values of container= that mean a container; "" where an image sets it, whatever the engine. wsl, proot and desktop
# sandboxes are missing on purpose.
_MANAGERS = {
    "buildah": "buildah",
    "crio": "cri-o",
    "docker": "docker",
    "lxc": "lxc",
    "lxc-libvirt": "lxc",
    "oci": "",
    "podman": "podman",
    "systemd-nspawn": "systemd-nspawn",
}
_MARKERS = (("/.dockerenv", "docker"), ("/run/.containerenv", "podman"))
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, the same since Linux 3.8
_GVISOR = "BOOT_IMAGE=/vmlinuz-4.4.0-gvisor"
_READ_LIMIT = 4 * 1024 * 1024  # bytes; a mount table of some ten thousand lines


def evidence(base: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (engine or "", reason) for all that proves a container, the most telling first.

    Args:
        base: The directory under which everything is looked for, without a slash at its end.
        environ: The environment of the process.
    """
    mounts = Mounts(_read(base, "/proc/self/mountinfo"))
    foreign_pids = _link(base, "/proc/self/ns/pid") not in ("", _INITIAL_PID_NAMESPACE)
    yield from _of_managed(mounts, environ, foreign_pids)
    yield from _of_cgroups(base, mounts)
    pairs = [f"container={environ.get('container')}", *_read(base, "/proc/1/environ").split("\0")]
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name == "container" and value in _MANAGERS:
            yield _MANAGERS[value], f"{pair} is in the environment"
    for path in mounts.layers():
        engine = engine_of_layer(path)
        if engine is not None:
            yield engine, f"/ is mounted from {shown(path)}"
    if mounts.lxc:
        yield "lxc", f"{shown(mounts.lxc)} is mounted by LXC"
    yield from _of_files(base, environ)
    yield from _of_sandboxes(base, mounts)
    if mounts.like_a_container and foreign_pids:
        for path, engine in _MARKERS:
            if _exists(base, path) and (mounts.on_union or mounts.has_file_mounts):
                yield engine, f"{path} is there, and / is a container's"
    if mounts.like_a_container and mounts.mask:
        yield mounts.mask, "/proc is masked as an OCI runtime does it"


def left_over(base: str) -> list[str]:
    """Return the marker files that are there, although nothing else proves a container."""
    return [path for path, _ in _MARKERS if _exists(base, path)]


def _of_managed(
    mounts: Mounts, environ: Mapping[str, str], foreign_pids: bool
) -> Iterator[tuple[str, str]]:
    """Yield evidence from what engines mount for each container."""
    in_pod = any(engine == "kubernetes" for engine, _, _ in mounts.managed)
    for engine, point, origin in mounts.managed:
        named = engine
        if engine == "podman" and in_pod and environ.get("container") != "podman":
            named = "cri-o"  # the same storage library, hence the same directories
        elif engine == "buildah" and foreign_pids and mounts.own_devices:
            # A step of "podman build" and one of "buildah" look the same from inside, and the former is more
            # common; isolation by chroot, which keeps the host's pids and /dev, is Buildah's.
            named = "podman"
        yield named, f"{point} is mounted from {shown(origin)}"


def _of_cgroups(base: str, mounts: Mounts) -> Iterator[tuple[str, str]]:
    """Yield evidence from every line of the cgroups: one may say ``docker.service``, another the container.

    In the host's pid namespace process 1 is the host's, and only our own cgroup counts, if our root is not the
    host's: a process of the host can be put into a container's cgroup.
    """
    for process in ("1", "self") if mounts.like_a_container else ("1",):
        name = f"/proc/{process}/cgroup"
        lines = [line.split(":", 2) for line in _read(base, name).split("\n")]
        for path in dict.fromkeys(fields[2] for fields in lines if len(fields) == 3):
            engine = engine_of_cgroup(path)
            if engine is not None:
                yield engine, f"{name} names {shown(path)}"


def _of_files(base: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield evidence from files that exist only in a container, written by its init or its manager."""
    for path in ("/run/host/container-manager", "/run/systemd/container"):
        word = _read(base, path).strip()
        if word in _MANAGERS:
            yield _MANAGERS[word], f"{path} says {word}"
    if _exists(base, "/dev/.lxc-boot-id"):
        yield "lxc", "/dev/.lxc-boot-id is there"
    if "KUBERNETES_SERVICE_HOST" in environ and _exists(base, "/var" + SERVICE_ACCOUNT):
        yield "kubernetes", "a Kubernetes service account is there"
    for name in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        if name in environ and _exists(base, "/.singularity.d"):
            yield "apptainer", f"{name} is set and /.singularity.d is there"


def _of_sandboxes(base: str, mounts: Mounts) -> Iterator[tuple[str, str]]:
    """Yield evidence of runtimes with a kernel of their own, which neither cgroups nor namespaces of this machine show."""
    reason = ""
    if _exists(base, "/proc/sentry-meminfo") or _GVISOR in _read(base, "/proc/cmdline"):
        reason = "/proc is that of gVisor's kernel"
    elif mounts.kata:
        reason = f"{mounts.kata} is mounted from what Kata Containers shares"
    if reason:
        yield next((engine for path, engine in _MARKERS if _exists(base, path)), ""), reason


def _read(base: str, path: str) -> str:
    """The text of a file, cut off after some megabytes; "" if it cannot be read.

    Latin-1 decodes any content. Without O_NONBLOCK a FIFO in the place of the file would block.
    """
    chunks = []
    try:
        descriptor = os.open(base + path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            left = _READ_LIMIT
            while left > 0:
                chunk = os.read(descriptor, min(left, 65536))
                if not chunk:
                    break
                chunks.append(chunk)
                left -= len(chunk)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return ""
    return b"".join(chunks).decode("latin-1")


def _link(base: str, path: str) -> str:
    """What a symbolic link points to; "" if it cannot be read."""
    try:
        return os.readlink(base + path)
    except (OSError, ValueError):
        return ""


def _exists(base: str, path: str) -> bool:
    """Whether there is something at the path, as far as this user can see."""
    try:
        os.stat(base + path)
    except (OSError, ValueError):
        return False
    return True
