"""Installs dependencies inside a separate container, with secrets or a cache that stay outside the image.

This runs in a container made from the base image, on CPython 3.8 or newer with the standard library alone. Standard
input is a line of JSON (what to do, and the secrets) and a tar archive (the files that the installation reads). What the
installation changed goes to standard output: a line of JSON, the paths that are gone, and a tar archive of all that is
new or different (`buildr.installer.changes`). Standard error is pip's log.

The secrets are in ``/dev/shm``, a file system in memory, and in the environment of pip: nothing of them was ever in a
layer, in the container's configuration or on a disk. A cache of pip's is in a volume.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time

from buildr.installer.changes import EXCLUDED, mount_points, send_difference, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

APP = "/app"  # as buildr.layout has it, which is not in the container
SHARED = "/dev/shm/buildr"  # noqa: S108 - memory of this container alone
SECRETS = "/run/secrets"
DOWNLOADS = ("http", "http-v2")  # pip's names of its cache folders, until 23.2 and since
UNUSED_SECONDS = 60 * 24 * 3600  # after which wheels that were built are removed


def main() -> None:
    """Run the installation."""
    order = json.loads(sys.stdin.buffer.readline())
    skipped = set(EXCLUDED) | mount_points()
    # The files that pip reads are part of the image, unless they contain secrets.
    before = snapshot("/", skipped) if order.get("keep_files") else {}
    unpack(sys.stdin.buffer, "/", order["owner"])
    environment = dict(os.environ)
    environment.update(order["variables"])
    environment.update(place_files(order["files"], order["meanings"], SHARED, SECRETS))
    os.makedirs(APP, exist_ok=True)
    before = before or snapshot("/", skipped)
    options = cache_options(order.get("cache"))
    for words in order["installs"]:
        command = ["python", "-m", "pip", "install", *options, *words]
        status = subprocess.call(
            command, cwd=APP, env=environment, stdin=subprocess.DEVNULL, stdout=2, stderr=2
        )
        if status:
            sys.exit(status if status > 0 else 128 - status)
    output = sys.stdout.buffer
    send_difference(output, "/", before, snapshot("/", skipped))
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
    """Write the secrets that are files; return the variables by which pip finds them.

    Args:
        files: text by id; bytes that are not UTF-8 as surrogates.
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


if __name__ == "__main__":
    main()
