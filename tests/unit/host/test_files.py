"""Files that are read by name: regular ones, of a bounded size, and nothing that could hang or fill the host."""

from __future__ import annotations

import ast
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import buildr
import buildr_backends
from buildr.host.files import SMALL_BYTES, read_file, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_file_is_read_completely_even_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * SMALL_BYTES)
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link") == b"x" * SMALL_BYTES
    assert read_head(tmp_path / "link", 3) == b"xxx"


def test_kernel_files_without_a_size_are_read() -> None:
    assert read_file("/proc/self/status").startswith(b"Name:")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(path))


def loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (fifo, "it is a FIFO, not a regular file"),
        (endless, "it is a device, not a regular file"),
        (terminal, "it is a device, not a regular file"),
        (sparse, "it has more than 1024 KiB"),
        (listening, "it is a socket, not a regular file"),
        (Path.mkdir, "it is a directory, not a regular file"),
        (loop, "Too many levels of symbolic links"),
    ],
)
def test_other_kinds_of_files_are_an_error_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: object, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    assert callable(make)
    make(Path("named"))
    with pytest.raises(OSError, match=reason):
        read_file("named")


def test_a_pipe_passed_by_a_shell_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"A=1\n")
    os.close(writing)
    try:
        assert read_file(f"/dev/fd/{reading}") == b"A=1\n"
    finally:
        os.close(reading)


# Every other place that opens files -------------------------------------------------------------------

ELSEWHERE = {
    "files that are sent, by readers that open what was scanned and nothing else": (
        *(
            "buildr/archive/files.py",
            "buildr/archive/stream.py",
            "buildr/context/digest.py",
            "buildr/context/pins.py",
            "buildr/context/reading.py",
            "buildr/context/listing.py",
        ),
    ),
    "files of a repository, by readers that take regular files of a bounded size, too": (
        *("buildr/plan/checkout.py", "buildr/plan/git_objects.py"),
    ),
    "layers in a folder of this process's own": (
        *("buildr/archive/layers.py", "buildr/archive/normal.py", "buildr/archive/saved.py"),
        "buildr/image/finish.py",
    ),
    "pipes of this process and connections": (
        *("buildr/run/line_search.py", "buildr_backends/shared/registry_client.py"),
    ),
    "files that Buildr writes or has written, and locks": (
        *("buildr/cli/base.py", "buildr/cli/documents.py", "buildr/config/template.py"),
        *("buildr/host/cache.py", "buildr/host/marks.py", "buildr/host/private_folders.py"),
        *("buildr/host/state.py", "buildr/image/offline_base.py"),
        *("buildr/installer/installation.py", "buildr/installer/wheels.py"),
        "buildr/installer/secrets.py",
        *(
            "buildr/leftovers/build_lock.py",
            "buildr/leftovers/tasks.py",
            "buildr/leftovers/housekeeping.py",
        ),
        "buildr/plan/eject_install.py",
        *("buildr/plan/eject_manifest.py", "buildr/run/log_followers.py"),
        "buildr/run/outputs.py",
        *("buildr/runners/manifest.py", "buildr/runners/pipes.py"),
        "buildr_backends/http/ssh.py",
        *("buildr_backends/podman/private_directory.py", "buildr_backends/podman/service.py"),
    ),
    "files of the package itself": (
        *("buildr/plan/containerfile.py", "buildr/plan/fingerprint.py"),
        "buildr/cli/config.py",
        "buildr/plan/guest_files.py",
    ),
    "files of the kernel and of the system": (
        *("buildr/host/exit_status.py", "buildr/host/process.py", "buildr/host/temporary.py"),
        *(
            "buildr/image/subordinate_ids.py",
            "buildr/host/time_zone.py",
            "buildr/context/file_systems.py",
            "buildr/runners/warnings.py",
            "buildr_backends/podman/build.py",
        ),
        *(
            "buildr_backends/podman/private_service.py",
            "buildr_backends/podman/temporary_folder.py",
        ),
        *("buildr_backends/shared/facts.py",),
    ),
    "files in a container of an installation": (
        *("buildr/installer/in_container.py", "buildr/installer/changes.py"),
    ),
    "the reader itself": ("buildr/host/files.py",),
}
"""Modules that open files themselves, by what these are: none of them is named by a project, or by a user's settings."""


def opened() -> Iterator[str]:
    """Yield the modules that call ``open``, or read a path, themselves."""
    for package in (buildr, buildr_backends):
        top = Path(package.__file__ or "").parent
        for path in sorted(top.rglob("*.py")):
            name = f"{top.name}/{path.relative_to(top)}"
            if name.startswith(("buildr/guest/", "buildr/testing/")):
                continue  # the guest's own files; tests
            for node in ast.walk(ast.parse(path.read_bytes())):
                called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                reads = called == "open" or called.endswith((".read_bytes", ".read_text"))
                if reads or (called.endswith(".open") and called != "tarfile.open"):
                    yield name
                    break


def test_all_modules_that_open_files_are_known() -> None:
    known = {module for modules in ELSEWHERE.values() for module in modules}
    assert set(opened()) - known == set(), "read by buildr.host.files, or say here what it opens"
