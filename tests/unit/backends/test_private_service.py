"""The files of a build's private Podman service, which are removed with the build, or later after a kill."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from buildr.errors import EngineUnavailableError
from buildr.host import private_folders
from buildr.host.process import pid_namespace, start_time
from buildr_backends.podman import launch, private_directory, private_service, temporary_folder
from buildr_backends.podman.private_service import PrivateService, forget, start

GONE = "4194305-1"  # no pid is as large, proc(5)


class Place:
    """The place of services.

    Attributes:
        directory: of their sockets.
        usual: in place of ``/var/tmp``.
        given: the temporary folder of each service.
    """

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = top / "run"
        self.usual = top / "usual"
        self.given: list[str | None] = []
        for path in (self.directory, self.usual):
            path.mkdir()
        monkeypatch.delenv("TMPDIR", raising=False)
        monkeypatch.delenv("CONTAINERS_CONF", raising=False)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(top / "config"))
        monkeypatch.setattr(private_directory, "private_directory", lambda: str(self.directory))
        monkeypatch.setattr(launch, "start", self._start)
        monkeypatch.setattr(temporary_folder, "_PODMAN_TEMPORARY", str(self.usual))

    def _start(self, _podman: str, path: str, _log: str, temporary: str | None) -> int:
        Path(path).touch()
        self.given.append(temporary)
        return os.getpid()

    def start(self) -> tuple[PrivateService, Path]:
        """Start a service; return it, and its folder."""
        service = start("podman")
        folder = self.given[-1]
        assert folder is not None
        return service, Path(folder)

    def left(self) -> list[str]:
        """Return the names of all files."""
        return sorted(os.listdir(self.directory) + os.listdir(self.usual))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def test_leftovers_of_an_upload_are_removed_with_the_service(place: Place) -> None:
    service, folder = place.start()
    assert folder.parent == place.usual
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (folder / "libpod_builder1").mkdir()
    (folder / "libpod_builder1" / "tarBall").write_bytes(b"a part of the project")
    forget(service)
    assert place.left() == []


def test_the_folder_is_in_the_user_s_temporary_directory(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    service, folder = place.start()
    assert folder.parent == tmp_path
    forget(service)
    assert not folder.exists()


@pytest.mark.parametrize("file", ["containers.conf", "containers.conf.d/mine.conf"])
def test_a_configured_directory_is_used(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    path = tmp_path / "config" / "containers" / file
    path.parent.mkdir(parents=True)
    path.write_text('[engine]\n#image_copy_tmp_dir="/var/tmp"\n')
    forget(place.start()[0])
    path.write_text('[engine]\nimage_copy_tmp_dir = "storage"\n')
    forget(start("podman"))
    assert place.given[-1] is None
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # which has precedence in Podman, too
    forget(place.start()[0])


def test_the_directory_is_not_changed_if_podman_s_state_would_follow(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_folders, "TEMPORARY", str(place.directory.parent))
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    forget(start("podman"))
    assert place.given == [None]


@pytest.mark.parametrize("there", ["/proc", "relative", "/nowhere"])
def test_podman_reports_itself_that_no_folder_can_be_created(
    place: Place, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    monkeypatch.setenv("TMPDIR", there)
    forget(start("podman"))
    assert place.given == [None]
    assert place.left() == []


def test_caches_of_steps_outlive_the_build(place: Place) -> None:
    service, folder = place.start()
    (folder / "buildah-cache-1").mkdir()
    (folder / "buildah-cache-1" / "first").touch()
    forget(service)
    service, folder = place.start()
    (folder / "buildah-cache-1" / "second").touch()
    forget(service)
    assert place.left() == ["buildah-cache-1"]
    assert sorted(os.listdir(place.usual / "buildah-cache-1")) == ["first", "second"]


def test_a_folder_with_mounts_is_not_removed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    service, folder = place.start()
    (folder / "mnt").mkdir()
    monkeypatch.setattr(temporary_folder, "_holds_mount", lambda found: found == str(folder))
    forget(service)
    assert (folder / "mnt").exists()


def test_a_mount_below_a_folder_is_seen(tmp_path: Path) -> None:
    assert temporary_folder._holds_mount("")  # of the root, which has /proc below it
    assert not temporary_folder._holds_mount(str(tmp_path))


def test_a_service_that_cannot_be_started_leaves_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(launch, "start", full)
    with pytest.raises(EngineUnavailableError, match="No space left"):
        start("podman")
    assert place.left() == []


def test_leftovers_are_removed_and_live_or_young_services_kept(place: Place) -> None:
    def listen(name: str) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place.directory / name))
        return listener

    live = listen(f"build-{GONE}-live.sock")
    live.listen()
    old = [f"build-{GONE}-live.sock", f"build-{GONE}-left.sock", "podman-x.sock"]
    listen(old[1]).close()
    listen(f"build-{GONE}-young.sock").close()
    (place.directory / old[2]).touch()
    for name, is_old in (("live", True), ("left", True), ("young", False)):
        (place.usual / name).mkdir()
        link = place.directory / f"build-{GONE}-{name}.sock.tmp"
        link.symlink_to(place.usual / name)
        if is_old:
            os.utime(link, (0, 0), follow_symlinks=False)
    for name in old:
        os.utime(place.directory / name, (0, 0))
    mine = place.directory / f"build-{os.getpid()}-{start_time('self')}-0.sock.tmp"
    mine.symlink_to(place.usual / "mine")
    os.utime(mine, (0, 0), follow_symlinks=False)
    private_service._remove_left(str(place.directory))
    live.close()
    kept = [name for name in place.left() if not name.startswith(f"build-{os.getpid()}-")]
    of_live = [f"build-{GONE}-live.sock", f"build-{GONE}-live.sock.tmp", "live"]
    of_young = [f"build-{GONE}-young.sock", f"build-{GONE}-young.sock.tmp", "young"]
    assert kept == sorted([*of_live, *of_young, "podman-x.sock"])
    assert mine.is_symlink()


class FromElsewhere:
    """A build in another pid namespace, whose host process has another pid here.

    Attributes:
        path: of its socket.
    """

    def __init__(self, place: Place, *, of_namespace: str) -> None:
        self.path = place.directory / f"build-{GONE}-there.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        (place.usual / "there").mkdir()
        Path(f"{self.path}.tmp").symlink_to(place.usual / "there")
        pid = os.getpid()  # the service's; it lives
        Path(f"{self.path}.pid").write_text(f"{pid} {start_time(str(pid))} {of_namespace}")
        self.lock = private_service._lock(str(self.path))
        for suffix in ("", ".tmp", ".pid", ".lock"):
            os.utime(f"{self.path}{suffix}", (0, 0), follow_symlinks=False)

    def end_host_process(self) -> None:
        assert self.lock is not None
        os.close(self.lock)


@pytest.mark.parametrize("of_namespace", ["1", pid_namespace()], ids=["another", "ours"])
def test_a_build_in_another_pid_namespace_is_left_alone(place: Place, of_namespace: str) -> None:
    build = FromElsewhere(place, of_namespace=of_namespace)
    before = place.left()
    assert list(private_service.left_behind()) == []
    private_service._remove_left(str(place.directory))
    assert place.left() == before
    build.listener.close()
    build.end_host_process()


def test_a_service_in_another_pid_namespace_ends_by_itself(place: Place) -> None:
    build = FromElsewhere(place, of_namespace="1")
    build.end_host_process()
    before = place.left()
    assert list(private_service.left_behind()) == []
    private_service._remove_left(str(place.directory))
    assert place.left() == before
    build.listener.close()
    assert list(private_service.left_behind()) == []
    assert place.left() == []


def test_a_service_without_its_host_process_is_found(place: Place) -> None:
    build = FromElsewhere(place, of_namespace=pid_namespace())
    build.end_host_process()
    assert [service.endpoint.path for service in private_service.left_behind()] == [str(build.path)]
    build.listener.close()


def test_a_service_holds_its_lock_until_it_is_forgotten(place: Place) -> None:
    service, _ = place.start()
    path = service.endpoint.path
    assert private_service._is_locked(path)
    forget(service)
    assert not private_service._is_locked(path)
    assert place.left() == []
