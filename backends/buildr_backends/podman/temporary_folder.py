"""The folder where a Podman service for one use keeps temporary files; a link beside its socket leads there.

The folder is the service's own because Podman leaves the received part of an upload that breaks off there: a part of the
project. It is where Podman would keep such files anyway, since layers pass through it, which are too large for memory.
"""

from __future__ import annotations

import contextlib
import os
import re

from buildr.host import private_folders
from buildr.host.files import read_file
from buildr_backends.podman.configuration import configuration_files

FOLDER = ".tmp"
"""Ends the name of the link."""
_PODMAN_TEMPORARY = "/var/tmp"  # noqa: S108 - where Podman keeps temporary files, unless configured otherwise
_CACHES = "buildah-cache"  # begins the names of folders there that outlive a build: RUN --mount=type=cache
_CHOSEN = re.compile(r"^\s*image_copy_tmp_dir\s*=", re.MULTILINE)  # containers.conf(5)


def make_folder(path: str) -> str | None:
    """Make the folder for the temporary files of a service, by the path of its socket.

    Returns:
        Its path; ``None`` if the service should keep them in its default place.
    """
    if (above := _usual_place(path)) is None:
        return None
    folder = f"{above}/buildr-{os.urandom(8).hex()}"
    try:
        os.symlink(folder, f"{path}{FOLDER}")  # first, so that it is found in any case
        os.mkdir(folder, 0o700)
        for name in _caches(above):
            os.symlink(f"{above}/{name}", f"{folder}/{name}")
    except OSError:
        remove_folder(path)
        return None
    return folder


def remove_folder(path: str) -> None:
    """Remove the folder for temporary files that belongs to a socket, but keep caches."""
    link = f"{path}{FOLDER}"
    try:
        folder = os.readlink(link)
    except OSError:
        return
    with contextlib.suppress(OSError):
        if _holds_mount(folder):
            return
        for name in _caches(folder):
            # One that exists by now has been made by another build, and stays.
            with contextlib.suppress(OSError):
                os.rename(f"{folder}/{name}", f"{os.path.dirname(folder)}/{name}")
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
    if not os.path.lexists(folder):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)


def _usual_place(path: str) -> str | None:
    """Return the place of a service's temporary files, unless other things depend on it, too."""
    of_temporary = path.startswith(f"{private_folders.TEMPORARY}/")
    if os.geteuid() != 0 and of_temporary:
        return (
            None  # without a directory of the user's for that, what Podman runs is in TMPDIR, too
        )
    if given := os.environ.get("TMPDIR"):
        return given if os.path.isabs(given) else None
    return None if _is_configured() else _PODMAN_TEMPORARY  # TMPDIR would overrule that


def _is_configured() -> bool:
    """Whether Podman's configuration sets the place of temporary files: containers.conf(5)."""
    name = "containers.conf"
    for path in (f"/usr/share/containers/{name}", *configuration_files(name)):
        more: list[str] = []
        with contextlib.suppress(OSError):
            more = [f"{path}.d/{one}" for one in os.listdir(f"{path}.d") if one.endswith(".conf")]
        for one in (path, *more):
            with contextlib.suppress(OSError):
                if _CHOSEN.search(read_file(one).decode(errors="replace")):
                    return True
    return False


def _caches(folder: str) -> list[str]:
    """Return the names of the folders of this user in which Podman keeps caches from build to build."""
    with os.scandir(folder) as found:
        return [
            item.name
            for item in found
            if item.name.startswith(_CACHES)
            and item.is_dir(follow_symlinks=False)
            and item.stat(follow_symlinks=False).st_uid == os.geteuid()
        ]


def _holds_mount(folder: str) -> bool:
    """Whether something is mounted below a folder, proc(5), as by a build that was killed: it may be anything."""
    begin = os.fsencode(f"{folder}/")
    with open("/proc/self/mountinfo", "rb") as file:
        return any(line.split(b" ", 5)[4].startswith(begin) for line in file)
