"""Does this process run inside a container, and whose is it?

The answer is a function of a root directory and an environment, so that what was recorded in one place can
be asked again in another. Files are opened read-only, nothing is started, and no content makes it raise.

What counts, and how much:

* A variable (``BUILDR_IN_CONTAINER``, ``METAPARTICLE_IN_CONTAINER``) decides; every image of ours sets both.
* Strong alone: a component of the cgroup path that is a container's (64 hexadecimal digits, ``kubepods``); a
  mount on ``/etc/hostname`` and the like whose source is an engine's directory for one container; ``/`` itself
  on a layer of an engine's storage; a known ``container=``; a file that only an init or a manager inside writes.
* Weak: ``/.dockerenv`` and ``/run/.containerenv`` outlive their container in an exported file system. They
  count only where ``/`` looks like a container's and the pid namespace is not the machine's first.

Bare words never count: a host has ``system.slice/docker.service`` in its cgroups, and the layers of its
containers in its mount table. Formats: cgroups(7), proc(5), and https://systemd.io/CONTAINER_INTERFACE.
"""

from __future__ import annotations

import os

# Importing typing would cost more than all the rest of this module; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Detection", "detect", "is_in_docker_container"]

_VARIABLES = ("BUILDR_IN_CONTAINER", "METAPARTICLE_IN_CONTAINER")
_SWITCHES = {"true": True, "1": True, "false": False, "0": False}

# Values of container= (and of the files with the same words) that mean a container; "" where an image sets
# it, whatever the engine. wsl, proot and sandboxes of the desktop are missing on purpose.
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
_FILE_MOUNTS = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
_SERVICE_ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
# Where engines mount something from a directory that they keep for one container.
_MANAGED = frozenset(
    (
        *_FILE_MOUNTS,
        _SERVICE_ACCOUNT,
        "/var" + _SERVICE_ACCOUNT,
        "/dev/termination-log",
        "/run/.containerenv",
        "/run/host/incoming",
        "/run/secrets",
        "/run/systemd/nspawn/incoming",
    )
)
_LXC_DEVICES = ("/dev/.incus-mounts", "/dev/.lxc", "/dev/.lxd-mounts")
_MARKERS = (("/.dockerenv", "docker"), ("/run/.containerenv", "podman"))
_UNION_FILE_SYSTEMS = frozenset(("9p", "aufs", "fuse.fuse-overlayfs", "overlay", "virtiofs"))
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, the same since Linux 3.8
_READ_LIMIT = 4 * 1024 * 1024  # bytes; a mount table of some ten thousand lines
# How little an answer says; what is missing here is an engine's own name.
_VAGUENESS = {"kubernetes": 1, "crun": 2, "runc": 2, "": 3}


class Detection:
    """What was found; a plain immutable record.

    Attributes:
        inside: Whether this process is in a container.
        engine: Whose container: ``"docker"``, ``"podman"``, ``"buildah"``, ``"buildkit"``, ``"containerd"``,
            ``"cri-o"``, ``"lxc"``, ``"systemd-nspawn"``, ``"apptainer"``; ``"kubernetes"`` where its runtime
            cannot be told, ``"runc"`` or ``"crun"`` where no engine stands behind it; None when not inside, or
            when nothing tells.
        reason: The evidence, as a part of a sentence.
        explicit: Whether a variable said so, rather than evidence.
        warnings: Sentences for the user, about variables that were ignored.
    """

    __slots__ = ("engine", "explicit", "inside", "reason", "warnings")

    inside: bool
    engine: str | None
    reason: str
    explicit: bool
    warnings: tuple[str, ...]

    def __init__(
        self,
        *,
        inside: bool,
        engine: str | None,
        reason: str,
        explicit: bool = False,
        warnings: tuple[str, ...] = (),
    ) -> None:
        write = super().__setattr__
        write("inside", inside)
        write("engine", engine)
        write("reason", reason)
        write("explicit", explicit)
        write("warnings", warnings)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Detection does not change: cannot set {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Detection) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return (
            f"Detection(inside={self.inside!r}, engine={self.engine!r}, reason={self.reason!r}, "
            f"explicit={self.explicit!r}, warnings={self.warnings!r})"
        )


def detect(
    root: str | os.PathLike[str] = "/", environ: Mapping[str, str] | None = None
) -> Detection:
    """Tell whether this process runs in a container.

    Args:
        root: The directory under which ``/proc``, ``/run`` and the rest are looked for.
        environ: The environment of the process; that of this process when None.

    Returns:
        The verdict with its evidence. Nothing is raised: what cannot be read is not evidence.
    """
    if environ is None:
        environ = os.environ
    verdict = None
    warnings: tuple[str, ...] = ()
    for name in _VARIABLES:
        value = environ.get(name)
        if value is None:
            continue
        switch = _SWITCHES.get(value.strip().lower())
        if switch is None:
            shown = ascii(value[:40])
            warnings += (f"{name} is {shown}, which is neither true, 1, false nor 0: ignored",)
        elif verdict is None:
            verdict = (switch, f"{name}={value.strip()}")
    if verdict is not None:
        inside, reason = verdict
        return Detection(
            inside=inside, engine=None, reason=reason, explicit=True, warnings=warnings
        )
    base = os.fsdecode(root).rstrip("/")
    found = list(_evidence(base, environ))
    if found:
        engine, reason = min(found, key=lambda each: _VAGUENESS.get(each[0], 0))
        return Detection(inside=True, engine=engine or None, reason=reason, warnings=warnings)
    reason = "neither cgroups, mounts nor environment are those of a container"
    markers = [path for path, _ in _MARKERS if _exists(base, path)]
    if markers:
        reason += f" ({' and '.join(markers)} alone may be left over)"
    return Detection(inside=False, engine=None, reason=reason, warnings=warnings)


def is_in_docker_container() -> bool:
    """Whether this process is in a container, of any engine; the ancestor's name for :func:`detect`."""
    return detect().inside


def _evidence(base: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (engine or "", reason) for all that proves a container, the most telling first."""
    mounts = _Mounts(_read(base, "/proc/self/mountinfo"))
    foreign_pids = _link(base, "/proc/self/ns/pid") not in ("", _INITIAL_PID_NAMESPACE)
    yield from _of_managed(mounts, environ, foreign_pids)
    yield from _of_cgroups(base, mounts)
    pairs = [f"container={environ.get('container')}", *_read(base, "/proc/1/environ").split("\0")]
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name == "container" and value in _MANAGERS:
            yield _MANAGERS[value], f"{pair} is in the environment"
    for path in mounts.layers():
        engine = _engine(_LAYERS, path.split("/"))
        if engine is not None:
            yield engine, f"/ is mounted from {_shown(path)}"
    if mounts.lxc:
        yield "lxc", f"{_shown(mounts.lxc)} is mounted by LXC"
    yield from _of_files(base, environ)
    if mounts.like_a_container and foreign_pids:
        for path, engine in _MARKERS:
            if _exists(base, path) and (mounts.on_union or mounts.has_file_mounts):
                yield engine, f"{path} is there, and / is a container's"
    if mounts.like_a_container and mounts.mask:
        yield mounts.mask, "/proc is masked as an OCI runtime does it"


def _of_managed(
    mounts: _Mounts, environ: Mapping[str, str], foreign_pids: bool
) -> Iterator[tuple[str, str]]:
    """Yield evidence from what engines mount for each container."""
    in_pod = any(engine == "kubernetes" for engine, _, _ in mounts.managed)
    for engine, point, origin in mounts.managed:
        named = engine
        if engine == "podman" and in_pod and environ.get("container") != "podman":
            named = "cri-o"  # the same storage library, hence the same directories
        elif engine == "buildah" and foreign_pids and mounts.own_devices:
            # A step of "podman build" and one of "buildah" look the same from inside, and the former is by
            # far the more common; isolation by chroot, which keeps the host's pids and /dev, is Buildah's.
            named = "podman"
        yield named, f"{point} is mounted from {_shown(origin)}"


def _of_cgroups(base: str, mounts: _Mounts) -> Iterator[tuple[str, str]]:
    """Yield evidence from the cgroups, every line: one may say ``docker.service``, another the container.

    With the host's pid namespace process 1 is the host's, and only our own cgroup tells. It counts where
    our root is not the host's: a process of the host can be put into a container's cgroup.
    """
    for process in ("1", "self") if mounts.like_a_container else ("1",):
        name = f"/proc/{process}/cgroup"
        lines = [line.split(":", 2) for line in _read(base, name).split("\n")]
        for path in dict.fromkeys(fields[2] for fields in lines if len(fields) == 3):
            engine = _of_group(path)
            if engine is not None:
                yield engine, f"{name} names {_shown(path)}"


def _of_files(base: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield evidence from files that exist only in a container, written by its init or its manager."""
    for path in ("/run/host/container-manager", "/run/systemd/container"):
        word = _read(base, path).strip()
        if word in _MANAGERS:
            yield _MANAGERS[word], f"{path} says {word}"
    if _exists(base, "/dev/.lxc-boot-id"):
        yield "lxc", "/dev/.lxc-boot-id is there"
    if "KUBERNETES_SERVICE_HOST" in environ and _exists(base, "/var" + _SERVICE_ACCOUNT):
        yield "kubernetes", "a Kubernetes service account is there"
    for name in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        if name in environ and _exists(base, "/.singularity.d"):
            yield "apptainer", f"{name} is set and /.singularity.d is there"


class _Mounts:
    """What /proc/self/mountinfo says of this process's own root and of the mounts that engines make."""

    def __init__(self, text: str) -> None:
        self.managed: list[tuple[str, str, str]] = []  # engine, mount point, path of the source
        self.mask = ""  # the OCI runtime that masks files of /proc
        self.lxc = ""  # a mount point of LXC's
        self.own_devices = False
        self.has_file_mounts = False
        self._root: list[str] = []
        for line in text.split("\n"):
            head = line.split(" ", 5)
            if len(head) == 6 and (
                head[4] == "/" or head[4] in _MANAGED or head[4].startswith(("/dev", "/proc/"))
            ):
                fields = line.split(" ")
                if "-" in fields[6:-3]:  # between them a varying number of optional fields
                    self._add(fields, origin=head[3], point=head[4], kind=fields[-3])

    def _add(self, fields: list[str], *, origin: str, point: str, kind: str) -> None:
        if point == "/":
            self._root = fields  # the last one covers those before it
        elif point in _MANAGED:
            self.has_file_mounts |= point in _FILE_MOUNTS
            in_memory = point.endswith(_SERVICE_ACCOUNT) and kind == "tmpfs"
            engine = "kubernetes" if in_memory else _engine(_ORIGINS, origin.split("/"))
            if engine is not None:
                self.managed.append((engine, point, origin))
        elif point == "/dev":
            self.own_devices = kind == "tmpfs"
        elif point.startswith(_LXC_DEVICES) or kind == "fuse.lxcfs" or origin == "/.lxc-boot-id":
            self.lxc = point
        elif origin == "/null" and point.startswith("/proc/"):
            # Both put /dev/null over the file; only crun makes that mount read-only.
            self.mask = "crun" if "ro" in fields[5].split(",") else "runc"

    @property
    def on_union(self) -> bool:
        """Whether / is of a kind that stacks or shares directories."""
        return bool(self._root) and self._root[-3] in _UNION_FILE_SYSTEMS

    @property
    def like_a_container(self) -> bool:
        """Whether / is a union file system, or a directory of a file system rather than the whole of one."""
        if not self._root or self.on_union:
            return self.on_union
        origin = self._root[3]
        # A subvolume of btrfs, and a deployment of OSTree, is the whole root of an ordinary host.
        is_subvolume = f"subvol={origin}" in self._root[-1].split(",")
        return origin != "/" and not is_subvolume and "/ostree/deploy/" not in origin

    def layers(self) -> Iterator[str]:
        """Yield the paths that / is made of: the directory, the device or dataset, the layers of an overlay."""
        if self._root:
            yield self._root[3]
            yield self._root[-2]
            for option in self._root[-1].split(","):
                key, _, value = option.partition("=")
                if key in ("upperdir", "lowerdir", "lowerdir+"):
                    yield value.split(":", 1)[0]


# The tables below hold runs of path components: <id> is 64 hexadecimal digits, <uid> a pod's, <n> a number, and
# * at the start or the end of a component anything. They match anywhere in a path, since engines let their
# directories be moved, and a path in mountinfo starts at the file system that holds it. The first match counts.

# Directories for one container, from which something is mounted.
_ORIGINS = (
    ("podman", "<id>/userdata/*"),
    ("containerd", "sandboxes/<id>/*"),
    ("containerd", "nerdctl/*/*/*/<id>/*"),
    ("docker", "containers/<id>/*"),
    ("buildah", "buildah<n>"),
    ("docker", "buildkit/executor/*"),
    ("buildkit", "runc-*/executor/*"),
    ("buildkit", "containerd-*/executor/*"),
    ("systemd-nspawn", "nspawn/propagate/*"),
    ("kubernetes", "pods/<uid>/*"),
)
# Cgroups of containers, without .scope; of those in one path the innermost counts.
_GROUPS = (
    ("podman", "libpod-<id>"),
    ("podman", "libpod-payload-<id>"),
    ("docker", "docker-<id>"),
    ("docker", "docker/<id>"),
    ("docker", "docker/buildkit/*"),
    ("cri-o", "crio-<id>"),
    ("containerd", "cri-containerd-<id>"),
    ("containerd", "cri-containerd/<id>"),
    ("containerd", "nerdctl-<id>"),
    ("buildah", "*buildah<n>"),
    ("buildkit", "buildkit/*"),
    ("lxc", "lxc/*"),
    ("lxc", "lxc.payload*"),
    ("lxc", ".lxc*"),
    ("systemd-nspawn", "machine-*/payload"),
    ("systemd-nspawn", "systemd-nspawn@*/payload"),
    ("kubernetes", "kubepods*"),
    ("kubernetes", "kubelet-kubepods*"),
    ("", "ecs/*/*"),
    ("", "*<id>"),
)
# Layers in the storage of engines, for a root that is made of them.
_LAYERS = (
    ("containerd", "io.containerd.*"),
    ("buildkit", "runc-*/snapshots/snapshots/<n>/fs"),
    ("containerd", "snapshots/<n>/fs"),
    ("docker", "overlay2/*/diff"),
    ("docker", "overlay2/l/*"),
    ("podman", "containers/storage/*"),
    ("podman", "overlay/l/*"),
    ("podman", "overlay/<id>/diff"),
    ("docker", "docker/*/*/<id>"),
    ("docker", "docker/<id>"),
    ("docker", "docker-*<id>"),
    ("", "*<id>"),
)


def _engine(table: tuple[tuple[str, str], ...], parts: list[str]) -> str | None:
    """The engine ("" if unknown) of the first row that matches; None if none does."""
    return next((engine for engine, pattern in table if _end(pattern, parts)), None)


def _end(pattern: str, parts: list[str]) -> int:
    """How many components there are up to the end of the last match; 0 if there is none."""
    tokens = pattern.split("/")
    for start in range(len(parts) - len(tokens), -1, -1):
        if all(map(_fits, tokens, parts[start:])):
            return start + len(tokens)
    return 0


def _fits(token: str, part: str) -> bool:
    """Whether one component is what one token of a table says."""
    if token[-1] not in ">*":
        return part == token
    head, _, kind = token.partition("<")
    if not kind:
        return part != "" and part.startswith(token[:-1])
    if kind == "id>":
        tail = part[-64:]
        fits = _is_hex(tail, 64)
    elif kind == "uid>":  # a UUID, or an MD5 where the node itself defines the pod
        tail = part
        fits = _is_hex(part.replace("-", ""), 32)
    else:
        tail = part[len(part.rstrip("0123456789")) :]
        fits = tail != ""
    if not fits:
        return False
    before = part[: len(part) - len(tail)]
    start, star, end = head.partition("*")
    return before.startswith(start) and before.endswith(end) if star else before == head


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and not text.strip("0123456789abcdef")


def _of_group(path: str) -> str | None:
    """The engine ("" if unknown) of the innermost container in a cgroup's path; None if it is in none."""
    if "-conmon-" in path:
        return None  # libpod-conmon-<id>, crio-conmon-<id>: a container's monitor, which is on the host
    if path == "/":
        return None
    names = path.replace(":", "/").split("/")  # system.slice:cri-containerd:<id>
    parts = [name.partition(".scope")[0] for name in names]
    found, reach = None, 0
    for engine, pattern in _GROUPS:
        end = _end(pattern, parts)
        if end > reach and (engine or found is None):
            found, reach = engine, end
    return found


def _shown(path: str) -> str:
    """A path for the user: ids cut to the twelve digits that engines show, nothing that a terminal obeys."""
    ids = [path[at : at + 64] for at in range(len(path) - 63) if _is_hex(path[at : at + 64], 64)]
    for each in ids:
        path = path.replace(each, each[:12] + "...")
    return path if path.isprintable() else ascii(path)


def _read(base: str, path: str) -> str:
    """The text of a file, cut off after some megabytes; "" if it cannot be read.

    Bytes become characters one to one, so that no content is undecodable. Without O_NONBLOCK a FIFO in the
    place of the file would block.
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
