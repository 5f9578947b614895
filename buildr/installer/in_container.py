"""Installs dependencies inside a container of its own, with secrets or a cache that stay outside of the image.

This runs in a container made from the base image, on CPython 3.8 or newer with the standard library alone. Standard
input is a line of JSON (what to do, and the secrets) and a tar archive (the files that the installation reads). What the
installation changed goes to standard output: a line of JSON, the paths that are gone, and a tar archive of all that is
new or different, as a RUN step would have stored it. Standard error is pip's log.

The secrets lie in ``/dev/shm``, a file system in memory, and in the environment of pip: nothing of them was ever in a
layer, in the container's configuration or on a disk. A cache of pip's lies in a volume.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

SHARED = "/dev/shm/buildr"  # noqa: S108 - memory of this container, which nobody shares
SECRETS = "/run/secrets"
# Not part of an image, whatever is mounted there.
APART = ("/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp")  # noqa: S108 - nothing is written there
DOWNLOADS = ("http", "http-v2")  # what pip calls them, until 23.2 and since then
UNUSED_SECONDS = 60 * 24 * 3600  # after which wheels that were built are removed


def main() -> None:
    """Do it all."""
    order = json.loads(sys.stdin.buffer.readline())
    skipped = set(APART) | mount_points()
    # What pip reads is a part of the image where there is no secret in it.
    before = snapshot("/", skipped) if order.get("keep_files") else {}
    unpack(sys.stdin.buffer, "/", order["owner"])
    environment = dict(os.environ)
    environment.update(order["variables"])
    environment.update(place_files(order["files"], order["meanings"], SHARED, SECRETS))
    os.makedirs("/app", exist_ok=True)
    before = before or snapshot("/", skipped)
    options = cache_options(order.get("cache"))
    for words in order["installs"]:
        command = ["python", "-m", "pip", "install", *options, *words]
        status = subprocess.call(
            command, cwd="/app", env=environment, stdin=subprocess.DEVNULL, stdout=2, stderr=2
        )
        if status:
            sys.exit(status if status > 0 else 128 - status)
    after = snapshot("/", skipped)
    changed, removed = difference(before, after)
    answer = {"removed": removed, "replaced": sorted({*changed}.intersection(removed))}
    output = sys.stdout.buffer
    output.write(json.dumps(answer).encode() + b"\n")
    send(output, "/", sorted({*changed, *folders_above(removed)}))
    output.flush()


def cache_options(cache: dict[str, str] | None) -> list[str]:
    """Return the options of pip's that say where its cache is; where it cannot be used it has none.

    Downloads are the same for every image. A wheel that was built is only for images like the one in which it was built:
    pip tells Python versions and processors apart, but neither C libraries nor versions of other libraries.

    Args:
        cache: the folder, and what names the wheels for this kind of image; ``None``: no cache.
    """
    if cache is None:
        return ["--no-cache-dir"]
    root = cache["root"]
    folder = root + "/for-" + cache["key"]
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.utime(folder)
        for name in DOWNLOADS:
            os.makedirs(root + "/" + name, mode=0o700, exist_ok=True)
            try:
                os.symlink("../" + name, folder + "/" + name)
            except FileExistsError:
                pass
        remove_unused(root, time.time() - UNUSED_SECONDS)
    except OSError as error:
        sys.stderr.write("the cache of wheels cannot be used: " + str(error) + "\n")
        return ["--no-cache-dir"]
    return ["--cache-dir", folder]


def remove_unused(root: str, before: float) -> None:
    """Remove the wheels for images that were not installed on since then."""
    for entry in list(os.scandir(root)):
        if entry.name.startswith("for-") and entry.stat(follow_symlinks=False).st_mtime < before:
            shutil.rmtree(entry.path, ignore_errors=True)


def folders_above(paths: list[str]) -> set[str]:
    """Return the folders that paths lie in, below the root."""
    found = set()
    for path in paths:
        above = os.path.dirname(path)
        while above not in ("", "/"):
            found.add(above)
            above = os.path.dirname(above)
    return found


def unpack(stream: BinaryIO, root: str, owner: int) -> None:
    """Unpack what the installation reads; what is below ``app/`` belongs to ``owner`` and gid 0."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            of_source = member.name == "app" or member.name.startswith("app/")
            member.uid, member.gid = (owner if of_source else 0), 0
            archive.extract(member, root, numeric_owner=True, **_TRUSTED)


# The archive is Buildr's own: it may hold links that lead anywhere.
_TRUSTED: dict[str, Any] = (
    {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
)


def place_files(
    files: dict[str, str], meanings: dict[str, str], folder: str, links: str
) -> dict[str, str]:
    """Write the secrets that are files; return the variables that name those which pip knows of.

    Args:
        files: text by id; bytes that are no UTF-8 as surrogates.
        meanings: for an id the variable by which pip finds the file.
        folder: where they go, in memory.
        links: where a program of the user's finds them, by the id.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    variables = {}
    for name, text in files.items():
        path = folder + "/" + name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
        if name in meanings:
            variables[meanings[name]] = path
        try:
            os.makedirs(links, exist_ok=True)
            os.symlink(path, links + "/" + name)
        except OSError:
            pass  # an engine may have a read-only place there; the variable remains
    return variables


def mount_points() -> set[str]:
    """Return where file systems are mounted, proc(5); the root aside."""
    points = set()
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            # Blanks and the like stand in octal there, which is how escapes of text look, too.
            point = line.split()[4].decode("unicode_escape").encode("latin-1")
            points.add(os.fsdecode(point))
    points.discard("/")
    return points


def snapshot(root: str, skipped: set[str]) -> dict[str, tuple[int, ...]]:
    """Return what tells whether a file has changed, for each path; a folder before what is in it."""
    found: dict[str, tuple[int, ...]] = {}
    waiting = [root]
    while waiting:
        try:
            entries = sorted(os.scandir(waiting.pop()), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.path in skipped:
                continue
            try:
                now = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            kind = stat.S_IFMT(now.st_mode)
            if kind == stat.S_IFDIR:
                waiting.append(entry.path)
                found[entry.path] = (now.st_mode, now.st_uid, now.st_gid)
            elif kind in (stat.S_IFREG, stat.S_IFLNK):
                found[entry.path] = (
                    now.st_mode,
                    now.st_uid,
                    now.st_gid,
                    now.st_size,
                    now.st_mtime_ns,
                    now.st_ino,
                )
    return found


def difference(
    before: dict[str, tuple[int, ...]], after: dict[str, tuple[int, ...]]
) -> tuple[list[str], list[str]]:
    """Return the paths that are new or different, with the folders above them, and those that are gone.

    Of a folder that is gone only the folder itself is returned.
    """
    changed: set[str] = set()
    for path, now in after.items():
        if before.get(path) == now:
            continue
        while path not in ("", "/") and path not in changed:
            changed.add(path)
            path = os.path.dirname(path)  # noqa: PLW2901 - up to the root
    removed = [
        path
        for path in before
        if path not in after
        and (os.path.dirname(path) in after or os.path.dirname(path) not in before)
    ]
    # A file in place of a folder, or the reverse, must go before the new one comes.
    replaced = [
        path
        for path in changed
        if path in before and stat.S_IFMT(before[path][0]) != stat.S_IFMT(after[path][0])
    ]
    return sorted(changed), sorted([*removed, *replaced])


def send(output: BinaryIO, root: str, paths: list[str]) -> None:
    """Write an archive of these paths, with owners, modes, links and times as they are."""
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            name = os.path.relpath(path, root)
            try:
                member = archive.gettarinfo(path, name)
            except FileNotFoundError:
                continue
            member.uname = member.gname = ""
            member.mtime = int(member.mtime)  # all that bytecode remembers of its source (PEP 552)
            if member.isreg():
                with open(path, "rb") as file:
                    archive.addfile(member, file)
            else:
                archive.addfile(member)


if __name__ == "__main__":
    main()
