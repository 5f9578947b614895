"""Paths that engines use for one container: its cgroup, the layers of its root, the sources of its mounts."""

from __future__ import annotations

# Runs of path components: <id> is 64 hexadecimal digits, <uid> a pod's, <n> a number, and * at the start or the end of
# a component anything. They match anywhere in a path, since engines' directories can be moved, and a path in mountinfo
# starts at its file system. The first match counts.

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


def engine_of_source(path: str) -> str | None:
    """Return the engine ("" if unknown) that keeps a mount's source for one container; None if none does."""
    return _engine(_ORIGINS, path)


def engine_of_layer(path: str) -> str | None:
    """Return the engine ("" if unknown) that keeps a layer of a root; None if none does."""
    return _engine(_LAYERS, path)


def engine_of_cgroup(path: str) -> str | None:
    """Return the engine ("" if unknown) of the innermost container in a cgroup's path; None if it is in none."""
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


def shown(path: str) -> str:
    """Return a path for the user: ids cut to the twelve digits that engines show, without control characters."""
    ids = [path[at : at + 64] for at in range(len(path) - 63) if _is_hex(path[at : at + 64], 64)]
    for each in ids:
        path = path.replace(each, each[:12] + "...")
    return path if path.isprintable() else ascii(path)


def _engine(table: tuple[tuple[str, str], ...], path: str) -> str | None:
    """The engine ("" if unknown) of the first row that matches; None if none does."""
    parts = path.split("/")
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
