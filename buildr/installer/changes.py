"""Finds what has changed in a file system, and sends it as a layer that is the same each time; it runs in a container.

On CPython 3.8 or newer with the standard library alone. As a program of its own it does one of two things that a line of
JSON on standard input asks for: it lists the file system (``{"list": true}``), as a line of JSON; or it compares the file system with
such a list (``{"before": …}``) and sends what is new or different, as `buildr.installer.in_container` does.

What differs between two runs of the same steps does not come into the layer. A file's time is made of its content, as in the
archives of the host (`buildr.archive.header.content_time`), folders and links have one time, paths are sorted, and bytecode
names the time that its source gets. Logs and caches that programs keep for themselves are left out.

Longer than 250 lines: a program of one file, which is sent to a container.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import sys
import tarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

# Not part of an image, whatever is mounted there.
EXCLUDED = ("/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp")  # noqa: S108 - nothing is written there
LEFT_OUT = (
    "/etc/machine-id",
    "/root/.cache/pip",
    "/var/cache/apt",
    "/var/cache/ldconfig",
    "/var/lib/apt/lists",
    "/var/lib/dbus/machine-id",
    "/var/log/alternatives.log",
    "/var/log/apk.log",
    "/var/log/apt",
    "/var/log/bootstrap.log",
    "/var/log/dpkg.log",
    "/var/log/fontconfig.log",
)
"""Paths that record when and where something was installed, which programs do not need; with everything below them."""
# As in buildr.archive.header and buildr.context.digest.
FIRST_TIME = 315619200
TIMES = 1 << 29
BLOCK = 1 << 20
PYC_HEADER = 16  # bytes (PEP 552)
CAPABILITY = "security.capability"  # of programs such as ping


def main() -> None:
    """Do what is asked for."""
    order = json.loads(sys.stdin.buffer.readline())
    skipped = set(EXCLUDED) | mount_points()
    output = sys.stdout.buffer
    root = order.get("root", "/")
    now = snapshot(root, skipped, inodes=False)
    if order.get("list"):
        output.write(json.dumps(now).encode() + b"\n")
    else:
        before = {path: tuple(found) for path, found in order["before"].items()}
        send_difference(output, root, before, now)
    output.flush()


def send_difference(
    output: BinaryIO,
    root: str,
    before: dict[str, tuple[int, ...]],
    after: dict[str, tuple[int, ...]],
) -> None:
    """Write a line of JSON with the paths that are gone, and an archive of all that is new or different."""
    changed, removed = difference(before, after)
    answer = {"removed": removed, "replaced": sorted({*changed}.intersection(removed))}
    output.write(json.dumps(answer).encode() + b"\n")
    # What has its time from the image below keeps it: that is the same each time.
    retimed = {path for path in changed if before.get(path, ())[3:5] != after.get(path, ())[3:5]}
    send(output, root, sorted({*changed, *folders_above(removed)}), retimed)


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


def snapshot(root: str, skipped: set[str], *, inodes: bool = True) -> dict[str, tuple[int, ...]]:
    """Return, for each path, the facts that show whether a file has changed; a folder comes before what is in it.

    Args:
        root: where to begin.
        skipped: paths that are left out, with all that is below them.
        inodes: whether inode numbers are compared, which differ between containers.
    """
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
            owner = (now.st_mode, now.st_uid, now.st_gid)
            if kind == stat.S_IFDIR:
                waiting.append(entry.path)
                found[entry.path] = owner
            elif kind in (stat.S_IFREG, stat.S_IFLNK):
                content = (now.st_size, now.st_mtime_ns)
                found[entry.path] = owner + content + ((now.st_ino,) if inodes else ())
    return found


def difference(
    before: dict[str, tuple[int, ...]], after: dict[str, tuple[int, ...]]
) -> tuple[list[str], list[str]]:
    """Return the paths that are new or different, with the folders above them, and those that are gone.

    For a folder that is gone only the folder itself is returned.
    """
    changed: set[str] = set()
    for path, now in after.items():
        if before.get(path) == now or left_out(path):
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


def left_out(path: str) -> bool:
    """Whether a path is one of those that do not come into a layer."""
    return any(path == one or path.startswith(one + "/") for one in LEFT_OUT)


def folders_above(paths: list[str]) -> set[str]:
    """Return the folders of paths, below the root."""
    found = set()
    for path in paths:
        above = os.path.dirname(path)
        while above not in ("", "/"):
            found.add(above)
            above = os.path.dirname(above)
    return found


def send(output: BinaryIO, root: str, paths: list[str], retimed: set[str]) -> None:
    """Write an archive of files, with owners, modes and links as they are.

    Args:
        output: where it goes.
        root: what the names in it are relative to.
        paths: what goes in.
        retimed: files that get a time derived from their contents; other files keep theirs.
    """
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            name = os.path.relpath(path, root)
            try:
                member = archive.gettarinfo(path, name)
            except FileNotFoundError:
                continue
            member.uname = member.gname = ""
            if member.isreg():
                send_file(archive, member, path, retimed)
                continue
            # Another name of a file has its time, which engines give to the file.
            member.mtime = file_time(path, retimed) if member.islnk() else FIRST_TIME
            archive.addfile(member)


def send_file(
    archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, retimed: set[str]
) -> None:
    """Write a regular file; bytecode names the time that its source has in the image."""
    head = bytecode_head(path, retimed) if path.endswith(".pyc") else b""
    try:
        capability = os.getxattr(path, CAPABILITY, follow_symlinks=False)
        member.pax_headers = {
            "SCHILY.xattr." + CAPABILITY: capability.decode("utf-8", "surrogateescape")
        }
    except OSError:
        pass
    member.mtime = file_time(path, retimed, head)
    with open(path, "rb") as file:
        if head:
            archive.addfile(member, io.BytesIO(head + file.read()[len(head) :]))
        else:
            archive.addfile(member, file)


def bytecode_head(path: str, retimed: set[str]) -> bytes:
    """Return the head of bytecode for the time that its source gets; empty where it stays as it is."""
    folder, name = os.path.split(path)
    module = name[: -len(".pyc")]
    if os.path.basename(folder) == "__pycache__":  # PEP 3147: module.tag.pyc, module.tag.opt-1.pyc
        folder, module = os.path.dirname(folder), module.split(".")[0]
    source = folder + "/" + module + ".py"
    try:
        found = os.stat(source)
        with open(path, "rb") as file:
            head = file.read(PYC_HEADER)
    except OSError:
        return b""
    time, size = head[8:12], head[12:16]
    by_time = len(head) == PYC_HEADER and head[4:8] == bytes(4)  # not by a hash of the source
    if not by_time or (time, size) != (word(int(found.st_mtime)), word(found.st_size)):
        return b""
    return head[:8] + word(content_time(source)) + size if source in retimed else b""


def word(number: int) -> bytes:
    """Return 32 bits, as bytecode has them."""
    return (number & 0xFFFFFFFF).to_bytes(4, "little")


def file_time(path: str, retimed: set[str], head: bytes = b"") -> int:
    """Return the time that a file gets, in whole seconds, which is all that bytecode remembers of its source."""
    return content_time(path, head) if path in retimed else int(os.stat(path).st_mtime)


def content_time(path: str, head: bytes = b"") -> int:
    """Return the time of a file with this content, the same as the host's.

    Args:
        path: of the file.
        head: what its content begins with in place of its own bytes.
    """
    size = os.stat(path).st_size
    if not size:
        return FIRST_TIME
    digest = hashlib.sha256(b"%d\n" % size)
    with open(path, "rb") as file:
        for number in range(-(-size // BLOCK)):
            block = file.read(BLOCK)
            if not number:
                block = head + block[len(head) :]
            if size <= BLOCK:
                digest.update(block)
            elif block.strip(b"\0"):  # a block of zeros alone counts by its absence
                digest.update(b"%d\n" % number)
                digest.update(block)
    return FIRST_TIME + 2 * (int.from_bytes(digest.digest()[:4], "big") % TIMES)
