"""Reads /proc/self/mountinfo for evidence of a container: proc(5), "mountinfo"."""

from __future__ import annotations

from buildr.guest.container_paths import engine_of_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE_MOUNTS = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
SERVICE_ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
# Where engines mount something from a directory that they keep for one container.
_MANAGED = frozenset(
    (
        *_FILE_MOUNTS,
        SERVICE_ACCOUNT,
        "/var" + SERVICE_ACCOUNT,
        "/dev/termination-log",
        "/run/.containerenv",
        "/run/host/incoming",
        "/run/secrets",
        "/run/systemd/nspawn/incoming",
    )
)
_LXC_DEVICES = ("/dev/.incus-mounts", "/dev/.lxc", "/dev/.lxd-mounts")
_KATA = "kataShared"  # the tag of its 9p and virtiofs mounts: virtcontainers/kata_agent.go
_UNION_FILE_SYSTEMS = frozenset(("9p", "aufs", "fuse.fuse-overlayfs", "overlay", "virtiofs"))


class Mounts:
    """What /proc/self/mountinfo says of this process's own root and of the mounts that engines make."""

    def __init__(self, text: str) -> None:
        self.managed: list[tuple[str, str, str]] = []  # engine, mount point, path of the source
        self.mask = ""  # the OCI runtime that masks files of /proc
        self.lxc = ""  # a mount point of LXC's
        self.kata = (
            ""  # a mount point of the file system that Kata Containers shares with its machine
        )
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
        if fields[-2] == _KATA and (point == "/" or point in _MANAGED):
            self.kata = point
        if point == "/":
            self._root = fields  # the last one covers those before it
        elif point in _MANAGED:
            self.has_file_mounts |= point in _FILE_MOUNTS
            in_memory = point.endswith(SERVICE_ACCOUNT) and kind == "tmpfs"
            engine = "kubernetes" if in_memory else engine_of_source(origin)
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
