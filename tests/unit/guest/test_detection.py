"""The container detection: recorded environments, further layouts, variables, and content that makes no sense."""

from __future__ import annotations

import ast
import inspect
import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildr.guest import detection
from buildr.guest.detection import Detection, detect, is_in_docker_container

_DATA = Path(__file__).parents[2] / "data" / "detection" / "captures.json"
_CAPTURES: dict[str, dict[str, Any]] = json.loads(_DATA.read_text(encoding="utf-8"))
# Nothing that can be read from inside tells them from a step of "podman build": see the README of the data.
_BUILDAH_OR_PODMAN = {"buildah128-run-v1", "d12hyb-buildah-run", "d12v2-buildah-run"}

_ID = "0b4675161ae6184cecdbff0e8b797b55112e78f54a25cdcf30ef855c60c50920"
_OTHER_ID = "da52133147c681d1241aa8bdf21c218cd38a9fab2f46d3f57100375fcb0a4912"
_POD = "7d1e9b7c-4a3c-4c55-9d5b-00006b03c4c6"
_HOST_PIDS = "pid:[4026531836]"
_OWN_PIDS = "pid:[4026532167]"
_HOST_ROOT = "27 1 254:0 / / rw,relatime shared:3 - ext4 /dev/vda rw"
_OVERLAY_ROOT = (
    "204 175 0:39 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/c,workdir=/d"
)
_DIRECTORY_ROOT = "229 200 254:0 /srv/tree / rw,relatime - ext4 /dev/vda rw"


def _write(root: Path, files: dict[str, str], links: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))
    for name, target in links.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return root


def _a_process(
    root: Path,
    *mounts: str,
    cgroup: str = "0::/",
    own_cgroup: str | None = None,
    pids: str = _OWN_PIDS,
    files: dict[str, str] | None = None,
) -> Path:
    """A root directory as one process sees it; the mounts are lines of mountinfo."""
    own = cgroup if own_cgroup is None else own_cgroup
    proc = {
        "/proc/1/cgroup": f"{cgroup}\n",
        "/proc/self/cgroup": f"{own}\n",
        "/proc/self/mountinfo": "".join(f"{line}\n" for line in mounts),
    }
    return _write(root, proc | (files or {}), {"/proc/self/ns/pid": pids})


def _bind(source: str, point: str, kind: str = "ext4") -> str:
    return f"212 204 254:0 {source} {point} rw,relatime master:5 shared:6 - {kind} /dev/vda rw"


# Recorded environments


@pytest.mark.parametrize("view", ["root", "plain user"])
@pytest.mark.parametrize("name", _CAPTURES)
def test_a_recorded_environment_is_recognized(tmp_path: Path, name: str, view: str) -> None:
    capture = _CAPTURES[name]
    hidden = capture["unreadable_to_plain_user"] if view == "plain user" else []
    files = {path: "\n".join(lines) for path, lines in capture["files"].items()}
    seen = {path: text for path, text in files.items() if path not in hidden}

    found = detect(_write(tmp_path, seen, capture["links"]), capture["environ"])

    engines = {"buildah", "podman"} if name in _BUILDAH_OR_PODMAN else {capture["engine"]}
    assert found.inside == capture["inside"], found
    assert found.engine in engines, found
    assert not found.explicit
    assert found.warnings == ()


def test_the_recordings_cover_containers_and_hosts_of_all_kinds() -> None:
    engines = {capture["engine"] for capture in _CAPTURES.values() if capture["inside"]}

    assert engines == {
        "buildah", "containerd", "crun", "docker", "lxc", "podman", "runc", "systemd-nspawn", None,
    }  # fmt: skip
    assert sum(not capture["inside"] for capture in _CAPTURES.values()) > 30


# Other layouts, as their engines document or write them


@pytest.mark.parametrize(
    ("cgroup", "engine"),
    [
        (f"0::/system.slice/docker-{_ID}.scope", "docker"),
        (f"5:memory:/docker/{_ID}\n0::/system.slice/docker.service", "docker"),
        (f"0::/system.slice/docker.service\n5:memory:/docker/{_ID}", "docker"),
        (f"0::/docker/{_ID}/init.scope", "docker"),
        (
            f"0::/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{_ID}.scope",
            "docker",
        ),
        (f"0::/machine.slice/libpod-{_ID}.scope/container", "podman"),
        (f"0::/system.slice/web.service/libpod-payload-{_ID}", "podman"),
        (f"0::/kubepods.slice/kubepods-pod{_POD}.slice/crio-{_ID}.scope", "cri-o"),
        (f"0::/kubepods.slice/kubepods-pod1.slice/crio-{_ID}.scope/container", "cri-o"),
        (f"0::/kubelet/kubepods/burstable/pod{_POD}/{_ID}", "kubernetes"),
        (
            f"0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{_POD}.slice",
            "kubernetes",
        ),
        (
            f"1:cpu:/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:{_ID}",
            "containerd",
        ),
        (f"0::/system.slice/nerdctl-{_ID}.scope", "containerd"),
        (f"4:memory:/docker/{_OTHER_ID}/kubepods/pod1/cri-containerd-{_ID}", "containerd"),
        (f"4:memory:/docker/{_OTHER_ID}/kubepods/besteffort/pod1/{_ID}", "kubernetes"),
        ("0::/docker/buildkit/7dngwr7st5h8gynyryp8jpjku", "docker"),
        ("0::/buildkit/7dngwr7st5h8gynyryp8jpjku", "buildkit"),
        ("0::/system.slice/runc-buildah-buildah1770325392.scope", "buildah"),
        ("0::/.lxc", "lxc"),
        ("1:name=systemd:/lxc/web", "lxc"),
        ("1:name=systemd:/lxc.payload.web/init.scope", "lxc"),
        ("1:name=systemd:/lxc.payload/web", "lxc"),
        ("1:name=systemd:/machine.slice/machine-web.scope/payload", "systemd-nspawn"),
        ("1:name=systemd:/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn"),
        (f"0::/actions_job/{_ID}", None),
        ("9:memory:/ecs/9781c248-0edd-4cdb-9a93-f63cb662a5d3/9781c248-0001", None),
    ],
)
def test_the_cgroup_of_process_1_names_the_engine(
    tmp_path: Path, cgroup: str, engine: str | None
) -> None:
    root = _a_process(tmp_path, _OVERLAY_ROOT, cgroup=cgroup)

    found = detect(root, {})

    assert (found.inside, found.engine) == (True, engine)
    assert "/proc/1/cgroup" in found.reason


@pytest.mark.parametrize(
    "cgroup",
    [
        "0::/init.scope",
        "0::/../../init.scope",
        "0::/system.slice/docker.service",
        "0::/system.slice/containerd.service",
        "0::/system.slice/podman.service",
        "0::/system.slice/lxc.service",
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/podman-2049.scope",
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-docker-desktop.scope",
        f"0::/machine.slice/libpod-conmon-{_ID}.scope",
        f"0::/kubepods.slice/kubepods-pod1.slice/crio-conmon-{_ID}.scope",
        "0::/machine.slice/machine-qemu-1-guest.scope",
        "0::/lxc.monitor.web",
        f"0::/system.slice/run-{_ID[:32]}.scope",
        f"0::/system.slice/{_ID.upper()}.scope",
        "0::/docker",
    ],
)
def test_the_cgroup_of_a_host_is_not_a_container(tmp_path: Path, cgroup: str) -> None:
    root = _a_process(tmp_path, _HOST_ROOT, cgroup=cgroup, pids=_HOST_PIDS)

    assert detect(root, {}).inside is False


def test_a_host_process_in_the_cgroup_of_a_container_is_not_inside(tmp_path: Path) -> None:
    root = _a_process(
        tmp_path,
        _HOST_ROOT,
        cgroup="0::/init.scope",
        own_cgroup=f"0::/system.slice/docker-{_ID}.scope",
        pids=_HOST_PIDS,
    )

    assert detect(root, {}).inside is False


def test_with_the_host_s_pid_namespace_our_own_cgroup_decides(tmp_path: Path) -> None:
    root = _a_process(
        tmp_path,
        _OVERLAY_ROOT,
        cgroup="0::/init.scope",
        own_cgroup=f"0::/system.slice/docker-{_ID}.scope",
        pids=_HOST_PIDS,
    )

    assert detect(root, {}).engine == "docker"


@pytest.mark.parametrize(
    ("source", "point", "engine"),
    [
        (f"/var/lib/docker/containers/{_ID}/hostname", "/etc/hostname", "docker"),
        (f"/containers/{_ID}/hosts", "/etc/hosts", "docker"),
        (f"/mnt/data\\040disk/dockerd/containers/{_ID}/resolv.conf", "/etc/resolv.conf", "docker"),
        (f"/var/lib/docker/containers/{_ID}/resolv.conf//deleted", "/etc/resolv.conf", "docker"),
        ("/var/lib/docker/buildkit/executor/resolv.conf", "/etc/resolv.conf", "docker"),
        ("/runc-overlayfs/executor/hosts.hz0jq4tww91my0nhekswa2v13", "/etc/hosts", "buildkit"),
        ("/containerd-overlayfs/executor/resolv.conf", "/etc/resolv.conf", "buildkit"),
        (f"/user/1000/containers/overlay-containers/{_ID}/userdata/hosts", "/etc/hosts", "podman"),
        (f"/c/btrfs-containers/{_ID}/userdata/.containerenv", "/run/.containerenv", "podman"),
        (f"/c/overlay-containers/{_ID}/userdata/run/secrets", "/run/secrets", "podman"),
        ("/buildah2187732126/resolv.conf", "/etc/resolv.conf", "buildah"),
        (f"/io.containerd.grpc.v1.cri/sandboxes/{_ID}/hostname", "/etc/hostname", "containerd"),
        (f"/sandboxes/{_ID}/resolv.conf", "/etc/resolv.conf", "containerd"),
        (
            f"/var/lib/nerdctl/1935db59/containers/default/{_ID}/hostname",
            "/etc/hostname",
            "containerd",
        ),
        (f"/var/lib/kubelet/pods/{_POD}/etc-hosts", "/etc/hosts", "kubernetes"),
        (f"/pods/{_ID[:32]}/containers/app/0", "/dev/termination-log", "kubernetes"),
        ("/systemd/nspawn/propagate/web", "/run/host/incoming", "systemd-nspawn"),
        ("/systemd/nspawn/propagate/web", "/run/systemd/nspawn/incoming", "systemd-nspawn"),
    ],
)
def test_mounts_of_an_engine_for_a_container_identify_it(
    tmp_path: Path, source: str, point: str, engine: str
) -> None:
    # Neither the root nor the pid namespace tells: what engines put on those places is enough.
    root = _a_process(tmp_path, _HOST_ROOT, _bind(source, point), pids=_HOST_PIDS)

    found = detect(root, {})

    assert (found.inside, found.engine) == (True, engine)
    assert found.reason.startswith(f"{point} is mounted from ")


@pytest.mark.parametrize(
    ("source", "point"),
    [
        ("/etc/netns/blue/resolv.conf", "/etc/resolv.conf"),
        ("/user/1000/containers/networks/rootless-netns/resolv.conf", "/etc/resolv.conf"),
        ("/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf"),
        ("/home/me/containers/hosts", "/etc/hosts"),
        ("/home/me/pods/web/hosts", "/etc/hosts"),
        (
            f"/var/lib/docker/containers/{_ID}/hostname",
            f"/var/lib/docker/containers/{_ID}/hostname",
        ),
        (f"/containers/overlay-containers/{_ID}/userdata/shm", "/mnt/shm"),
        ("/systemd/propagate/web.service", "/run/systemd/incoming"),
    ],
)
def test_other_mounts_are_not_a_container(tmp_path: Path, source: str, point: str) -> None:
    root = _a_process(tmp_path, _HOST_ROOT, _bind(source, point), pids=_HOST_PIDS)

    assert detect(root, {}).inside is False


def test_the_service_account_of_a_pod_is_a_tmpfs(tmp_path: Path) -> None:
    point = "/run/secrets/kubernetes.io/serviceaccount"
    root = _a_process(tmp_path, _OVERLAY_ROOT, _bind("/", point, "tmpfs"))

    assert detect(root, {}).engine == "kubernetes"


@pytest.mark.parametrize(
    ("devices", "pids", "engine"),
    [
        ("tmpfs", _OWN_PIDS, "podman"),
        ("tmpfs", _HOST_PIDS, "buildah"),
        ("devtmpfs", _OWN_PIDS, "buildah"),
    ],
)
def test_chroot_isolation_distinguishes_buildah_from_podman_build(
    tmp_path: Path, devices: str, pids: str, engine: str
) -> None:
    mounts = (_bind("/var/tmp/buildah42/hosts", "/etc/hosts"), _bind("/", "/dev", devices))
    root = _a_process(tmp_path, _OVERLAY_ROOT, *mounts, pids=pids)

    assert detect(root, {}).engine == engine


def test_the_storage_of_podman_under_a_kubelet_is_cri_o(tmp_path: Path) -> None:
    root = _a_process(
        tmp_path,
        _OVERLAY_ROOT,
        _bind(f"/containers/storage/overlay-containers/{_ID}/userdata/hostname", "/etc/hostname"),
        _bind(f"/var/lib/kubelet/pods/{_POD}/etc-hosts", "/etc/hosts"),
    )

    assert detect(root, {}).engine == "cri-o"


@pytest.mark.parametrize(
    ("root_mount", "engine"),
    [
        ("/ / rw - overlay overlay rw,lowerdir=l/A:l/B,upperdir={id}/diff,workdir={id}/work", None),
        ("/ / rw - overlay overlay ro,lowerdir=/x/overlay2/l/A:/x/overlay2/l/B", "docker"),
        ("/ / rw - overlay overlay rw,upperdir=/data/overlay2/{id}/diff,workdir=/w", "docker"),
        ("/ / rw - overlay overlay rw,upperdir=/x/overlay/{id}/diff,workdir=/w", "podman"),
        ("/ / ro - overlay overlay ro,lowerdir=/x/overlay/l/A:/x/overlay/l/B", "podman"),
        (
            "/ / rw - overlay overlay rw,lowerdir+=/c/snapshots/3/fs,upperdir=/c/snapshots/9/fs",
            "containerd",
        ),
        ("/io.containerd.snapshotter.v1.native/snapshots/9 / rw - ext4 /dev/sda1 rw", "containerd"),
        (
            "/ / rw - overlay overlay rw,upperdir=/b/runc-overlayfs/snapshots/snapshots/9/fs",
            "buildkit",
        ),
        ("/var/lib/docker/vfs/dir/{id} / rw - ext4 /dev/sda1 rw", "docker"),
        ("/u/.local/share/containers/storage/vfs/dir/{id} / rw - ext4 /dev/sda1 rw", "podman"),
        ("/btrfs/subvolumes/{id} / rw - btrfs /dev/sda1 rw,subvol=/btrfs/subvolumes/{id}", None),
        ("/ / rw - zfs tank/docker/{id} rw,xattr", "docker"),
        ("/rootfs / rw - xfs /dev/mapper/docker-8:1-123-{id} rw", "docker"),
    ],
)
def test_a_root_in_the_storage_of_an_engine_is_a_container(
    tmp_path: Path, root_mount: str, engine: str | None
) -> None:
    root = _a_process(tmp_path, "204 175 0:39 " + root_mount.format(id=_ID), pids=_HOST_PIDS)

    found = detect(root, {})

    assert (found.inside, found.engine) == (True, engine)
    assert found.reason.startswith("/ is mounted from ")


@pytest.mark.parametrize(
    "root_mount",
    [
        "/@ / rw - btrfs /dev/sda2 rw,subvolid=256,subvol=/@",
        "/root / rw - btrfs /dev/sda3 rw,compress=zstd:1,subvol=/root",
        "/ostree/deploy/os/deploy/{id}.0 / rw - xfs /dev/sda4 rw",
        "/ / ro - overlay composefs ro,lowerdir+=/run/ostree/.private/cfsroot-lower",
        "/ / rw - overlay overlay rw,lowerdir=/run/live/rootfs,upperdir=/run/live/rw",
        "/ / rw - zfs rpool/ROOT/ubuntu_r7x2k3 rw,xattr",
        "/ / rw - xfs /dev/mapper/vg-root rw",
    ],
)
def test_a_leftover_marker_on_a_host_is_not_a_container(tmp_path: Path, root_mount: str) -> None:
    mount = "22 1 0:20 " + root_mount.format(id=_ID)
    files = {"/.dockerenv": "", "/run/.containerenv": ""}
    root = _a_process(tmp_path, mount, cgroup="0::/init.scope", pids=_HOST_PIDS, files=files)

    found = detect(root, {})

    assert found.inside is False
    assert "/.dockerenv" in found.reason


@pytest.mark.parametrize(
    "root_mount",
    [
        _HOST_ROOT,
        "1 0 0:2 /@ / rw - btrfs /dev/sda rw,subvol=/@",
        "1 0 0:2 /ostree/deploy/os/deploy/0.0 / rw - xfs /dev/sda4 rw",
    ],
)
def test_a_leftover_marker_in_a_pid_namespace_on_the_host_root_is_not_a_container(
    tmp_path: Path, root_mount: str
) -> None:
    mount = _bind("/run/generated/resolv.conf", "/etc/resolv.conf")
    root = _a_process(tmp_path, root_mount, mount, files={"/.dockerenv": ""})

    assert detect(root, {}).inside is False


def test_a_leftover_marker_in_a_sandbox_on_an_exported_tree_is_not_a_container(
    tmp_path: Path,
) -> None:
    root = _a_process(tmp_path, _DIRECTORY_ROOT, files={"/.dockerenv": ""})

    assert detect(root, {}).inside is False


def test_a_leftover_marker_in_a_chroot_is_not_a_container(tmp_path: Path) -> None:
    root = _write(tmp_path, {"/.dockerenv": "", "/run/.containerenv": ""}, {})

    assert detect(root, {}).inside is False


@pytest.mark.parametrize("marker", ["/.dockerenv", "/run/.containerenv"])
@pytest.mark.parametrize(
    "mounts", [(_OVERLAY_ROOT,), (_DIRECTORY_ROOT, _bind("/srv/my-hosts", "/etc/hosts"))]
)
def test_a_marker_counts_with_the_root_and_the_pids_of_a_container(
    tmp_path: Path, mounts: tuple[str, ...], marker: str
) -> None:
    root = _a_process(tmp_path, *mounts, files={marker: ""})

    found = detect(root, {})

    assert found.inside is True
    assert found.reason.startswith(marker)


def test_the_storage_of_other_containers_in_the_mount_table_is_not_a_container(
    tmp_path: Path,
) -> None:
    point = f"/var/lib/docker/overlay2/{_ID}/merged"
    other = (
        f"50 27 0:58 / {point} rw - overlay overlay rw,upperdir=/var/lib/docker/overlay2/{_ID}/diff"
    )
    root = _a_process(tmp_path, _HOST_ROOT, other, cgroup="0::/init.scope", pids=_HOST_PIDS)

    assert detect(root, {}).inside is False


def test_the_mount_that_covers_the_root_is_the_root(tmp_path: Path) -> None:
    below = f"20 1 0:58 / / rw - overlay overlay rw,upperdir=/var/lib/docker/overlay2/{_ID}/diff"
    root = _a_process(tmp_path, below, _HOST_ROOT, pids=_HOST_PIDS)

    assert detect(root, {}).inside is False


@pytest.mark.parametrize(
    "mount",
    [
        "9 2 0:41 /proc/cpuinfo /proc/cpuinfo rw - fuse.lxcfs lxcfs rw",
        "9 2 0:40 /.lxc-boot-id /proc/sys/kernel/random/boot_id ro - tmpfs none rw",
        "9 2 0:41 / /dev/.lxc/proc rw - proc proc rw",
        "9 2 0:41 / /dev/.lxd-mounts rw - tmpfs tmpfs rw",
    ],
)
def test_lxc_is_recognized_by_its_mounts(tmp_path: Path, mount: str) -> None:
    assert detect(_a_process(tmp_path, _DIRECTORY_ROOT, mount), {}).engine == "lxc"


def test_lxcfs_on_the_host_is_not_a_container(tmp_path: Path) -> None:
    mount = "9 2 0:41 / /var/lib/lxcfs rw - fuse.lxcfs lxcfs rw"
    root = _a_process(tmp_path, _HOST_ROOT, mount, pids=_HOST_PIDS)

    assert detect(root, {}).inside is False


@pytest.mark.parametrize(
    "mounts",
    [
        # As in https://github.com/kata-containers/runtime/issues/2618 and kata-containers/kata-containers/issues/8170.
        ["1 0 0:20 / / rw,nodev,relatime - 9p kataShared rw,dirsync,access=client,trans=virtio"],
        ["1 0 0:20 / / rw,relatime - virtiofs kataShared rw"],
        [
            "1 0 8:0 / / rw,relatime - ext4 /dev/sda rw",
            "2 1 0:20 /shared/hosts /etc/hosts rw - virtiofs kataShared rw",
        ],
    ],
)
@pytest.mark.parametrize(("marker", "engine"), [("", None), ("/.dockerenv", "docker")])
def test_kata_containers_are_recognized_by_what_they_share(
    tmp_path: Path, mounts: list[str], marker: str, engine: str | None
) -> None:
    files = {marker: ""} if marker else {}
    found = detect(_a_process(tmp_path, *mounts, pids=_HOST_PIDS, files=files), {})
    assert (found.inside, found.engine) == (True, engine)


def test_the_machine_around_a_kata_container_is_not_one(tmp_path: Path) -> None:
    mount = "2 1 0:20 / /run/kata-containers/shared/containers rw - virtiofs kataShared rw"
    assert detect(_a_process(tmp_path, _HOST_ROOT, mount, pids=_HOST_PIDS), {}).inside is False


@pytest.mark.parametrize(
    ("files", "inside"),
    [
        ({"/proc/cmdline": "BOOT_IMAGE=/vmlinuz-4.4.0-gvisor quiet\n"}, True),
        ({"/proc/sentry-meminfo": ""}, True),
        ({"/proc/cmdline": "BOOT_IMAGE=/vmlinuz-6.1.0 root=/dev/vda hostname=gvisor\n"}, False),
        ({"/srv/proc/sentry-meminfo": ""}, False),
    ],
)
def test_the_kernel_of_gvisor_is_recognized(
    tmp_path: Path, files: dict[str, str], inside: bool
) -> None:
    root = _a_process(tmp_path, _HOST_ROOT, pids=_HOST_PIDS, files=files)
    assert detect(root, {}).inside is inside


@pytest.mark.parametrize(("options", "engine"), [("rw,nosuid", "runc"), ("ro,nosuid", "crun")])
def test_a_masked_proc_distinguishes_a_bare_bundle_from_a_sandbox(
    tmp_path: Path, options: str, engine: str
) -> None:
    mask = f"9 2 0:43 /null /proc/keys {options} - tmpfs tmpfs rw"

    assert detect(_a_process(tmp_path / "bundle", _DIRECTORY_ROOT, mask), {}).engine == engine
    assert detect(_a_process(tmp_path / "sandbox", _DIRECTORY_ROOT), {}).inside is False
    assert detect(_a_process(tmp_path / "host", _HOST_ROOT, mask), {}).inside is False


@pytest.mark.parametrize("path", ["/run/host/container-manager", "/run/systemd/container"])
def test_a_file_of_the_init_or_the_manager_is_evidence(tmp_path: Path, path: str) -> None:
    root = _a_process(tmp_path, _HOST_ROOT, files={path: "lxc\n"})

    assert detect(root, {}).engine == "lxc"


def test_a_virtual_machine_that_calls_itself_wsl_is_not_a_container(tmp_path: Path) -> None:
    files = {"/run/systemd/container": "wsl\n", "/.dockerenv": ""}

    assert detect(_a_process(tmp_path, _HOST_ROOT, files=files), {}).inside is False


@pytest.mark.parametrize(
    ("value", "inside", "engine"),
    [
        ("podman", True, "podman"),
        ("lxc", True, "lxc"),
        ("systemd-nspawn", True, "systemd-nspawn"),
        ("oci", True, None),
        ("", False, None),
        ("wsl", False, None),
        ("my-app", False, None),
    ],
)
def test_a_known_container_variable_is_enough(
    tmp_path: Path, value: str, inside: bool, engine: str | None
) -> None:
    root = _a_process(tmp_path, _HOST_ROOT)
    found = detect(root, {"container": value})
    of_process_1 = detect(_write(root, {"/proc/1/environ": f"A=b\0container={value}\0"}, {}), {})

    assert (found.inside, found.engine) == (inside, engine)
    assert (of_process_1.inside, of_process_1.engine) == (inside, engine)


def test_mounts_precede_a_variable_of_the_image(tmp_path: Path) -> None:
    mount = _bind(f"/containers/storage/overlay-containers/{_ID}/userdata/hosts", "/etc/hosts")

    assert (
        detect(_a_process(tmp_path, _OVERLAY_ROOT, mount), {"container": "docker"}).engine
        == "podman"
    )


def test_the_service_account_counts_only_with_the_variable_of_a_pod(tmp_path: Path) -> None:
    root = _write(tmp_path, {"/var/run/secrets/kubernetes.io/serviceaccount/token": ""}, {})

    assert detect(root, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}).engine == "kubernetes"
    assert detect(root, {}).inside is False


def test_apptainer_is_recognized_by_its_variable_and_directory(tmp_path: Path) -> None:
    environ = {"APPTAINER_CONTAINER": "/images/a.sif"}

    assert detect(tmp_path, environ).inside is False
    (tmp_path / ".singularity.d").mkdir()
    assert detect(tmp_path, environ).engine == "apptainer"
    assert detect(tmp_path, {}).inside is False


# Variables


@pytest.mark.parametrize("name", ["BUILDR_IN_CONTAINER", "METAPARTICLE_IN_CONTAINER"])
@pytest.mark.parametrize(
    ("value", "inside"),
    [("true", True), ("1", True), ("True", True), ("false", False), ("0", False), ("FALSE", False)],
)
def test_a_variable_overrides_all_evidence(
    tmp_path: Path, name: str, value: str, inside: bool
) -> None:
    evidence = f"0::/docker/{_ID}" if not inside else "0::/init.scope"
    root = _a_process(tmp_path, _OVERLAY_ROOT, cgroup=evidence)

    assert detect(root, {name: value}) == Detection(
        inside=inside, engine=None, reason=f"{name}={value}", explicit=True
    )


@pytest.mark.parametrize(("newer", "older"), [("true", "false"), ("0", "1")])
def test_the_newer_variable_wins(tmp_path: Path, newer: str, older: str) -> None:
    environ = {"METAPARTICLE_IN_CONTAINER": older, "BUILDR_IN_CONTAINER": newer}

    found = detect(tmp_path, environ)

    assert found.inside is (newer == "true")
    assert found.reason == f"BUILDR_IN_CONTAINER={newer}"


@pytest.mark.parametrize("value", ["", "yes", "2", "truee"])
def test_another_value_is_ignored_with_a_warning(tmp_path: Path, value: str) -> None:
    root = _a_process(tmp_path, _OVERLAY_ROOT, cgroup=f"0::/docker/{_ID}")

    found = detect(root, {"BUILDR_IN_CONTAINER": value})

    assert (found.inside, found.engine, found.explicit) == (True, "docker", False)
    assert len(found.warnings) == 1
    assert f"BUILDR_IN_CONTAINER is {value!r}" in found.warnings[0]


def test_an_ignored_variable_does_not_override_the_other(tmp_path: Path) -> None:
    environ = {"BUILDR_IN_CONTAINER": "maybe", "METAPARTICLE_IN_CONTAINER": "true"}

    found = detect(tmp_path, environ)

    assert found.reason == "METAPARTICLE_IN_CONTAINER=true"
    assert "BUILDR_IN_CONTAINER" in found.warnings[0]


def test_a_warning_is_short_and_has_no_control_characters(tmp_path: Path) -> None:
    found = detect(tmp_path, {"BUILDR_IN_CONTAINER": "\x1b[2J\udcff" + "x" * 10_000})

    assert found.warnings[0].isprintable()
    assert found.warnings[0].isascii()
    assert len(found.warnings[0]) < 200


def test_the_default_environment_is_that_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "1")
    assert is_in_docker_container() is True
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "0")
    assert is_in_docker_container() is False


# Content that cannot be read, or makes no sense


def test_an_empty_root_is_not_a_container(tmp_path: Path) -> None:
    found = detect(tmp_path, {})

    assert (found.inside, found.engine, found.explicit) == (False, None, False)
    assert found.reason


def test_an_absent_or_invalid_root_is_not_a_container(tmp_path: Path) -> None:
    assert detect(tmp_path / "absent", {}).inside is False
    assert detect(f"{tmp_path}\0", {}).inside is False
    assert detect("x" * 5000, {}).inside is False


def test_directories_and_loops_in_place_of_files_are_not_a_container(tmp_path: Path) -> None:
    (tmp_path / "proc/1/cgroup").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").mkdir(parents=True)
    _write(tmp_path, {}, {"/proc/self/cgroup": "cgroup", "/proc/1/environ": "environ"})

    assert detect(tmp_path, {}).inside is False


def test_incomplete_lines_are_not_evidence(tmp_path: Path) -> None:
    source = f"/var/lib/docker/containers/{_ID}/hostname"
    files = {
        "/proc/1/cgroup": f"docker/{_ID}\n0:/docker/{_ID}\n",
        "/proc/self/mountinfo": f"1 2 3:4 {source} /etc/hostname rw\n1 2 3:4 {source} /etc/hostname rw a b c d",
    }

    assert detect(_write(tmp_path, files, {}), {}).inside is False


def test_an_endless_file_is_abandoned(tmp_path: Path) -> None:
    _write(tmp_path, {}, {"/proc/self/mountinfo": "/dev/zero", "/proc/1/cgroup": "/dev/zero"})

    assert detect(tmp_path, {}).inside is False


def test_a_fifo_in_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    os.mkfifo(tmp_path / "proc/self/mountinfo")
    found: list[Detection] = []
    thread = threading.Thread(target=lambda: found.append(detect(tmp_path, {})), daemon=True)

    thread.start()
    thread.join(30)

    assert [each.inside for each in found] == [False]


def test_the_reason_has_no_control_characters(tmp_path: Path) -> None:
    root = _a_process(tmp_path, _OVERLAY_ROOT, cgroup=f"0::/a\x1b[2J\xff/docker-{_ID}.scope")

    found = detect(root, {})

    assert found.engine == "docker"
    assert found.reason.isprintable()
    assert _ID[:12] in found.reason
    assert _ID not in found.reason


def _replay(contents: dict[str, bytes]) -> Detection:
    with tempfile.TemporaryDirectory() as name:
        for path, content in contents.items():
            target = Path(name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return detect(name, {})


_FILES = (
    "proc/1/cgroup",
    "proc/self/cgroup",
    "proc/self/mountinfo",
    "proc/1/environ",
    "run/systemd/container",
)


@given(st.fixed_dictionaries({name: st.binary(max_size=400) for name in _FILES}))
@settings(max_examples=100, deadline=None)
def test_detection_never_raises_on_any_bytes(contents: dict[str, bytes]) -> None:
    assert isinstance(_replay(contents), Detection)


_WORDS = st.sampled_from(
    [
        "/", "-", "", "::", "0::", "/proc/keys", "/null", "/etc/hosts", "/dev", "ro", "rw,", "overlay", "userdata",
        "upperdir=", "/userdata/x", "/pods/", "containers/", _ID, "docker", "kubepods", "//deleted", "\n", "\0", "=",
    ]
)  # fmt: skip
_TEXTS = st.lists(_WORDS, max_size=40).flatmap(
    lambda words: st.sampled_from([" ".join(words), "/".join(words), "".join(words)])
)


@given(st.fixed_dictionaries({name: _TEXTS.map(str.encode) for name in _FILES}))
@settings(max_examples=150, deadline=None)
def test_detection_never_raises_on_meaningful_words(contents: dict[str, bytes]) -> None:
    assert isinstance(_replay(contents), Detection)


# The record and the module


def test_a_detection_is_a_value() -> None:
    one = Detection(inside=True, engine="podman", reason="because")
    same = Detection(inside=True, engine="podman", reason="because")

    assert one == same
    assert hash(one) == hash(same)
    assert one != Detection(inside=True, engine="docker", reason="because")
    assert "engine='podman'" in repr(one)
    with pytest.raises(AttributeError, match="does not change"):
        one.inside = False


def test_the_module_is_python_3_8_and_imports_next_to_nothing() -> None:
    tree = ast.parse(inspect.getsource(detection), feature_version=(3, 8))

    imported = {
        alias.name
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert imported == {"annotations", "os"}
