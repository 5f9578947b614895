"""A base image of Debian's packages, for hosts that reach no registry: ``buildr base``, and ``scripts/offline-base``.

mmdebstrap makes it from a Debian mirror, without root where user namespaces are there. It is what its name says, a local base of
Debian with Debian's Python, and not the official Python image. The archive is of the kind that ``docker save`` writes; every engine
loads it, and gets the very same image.

This file is a program, too, which needs nothing but Python 3.8, since the scripts of a checkout run it before anything is installed:

    python3 -I offline_base.py tag
    python3 -I offline_base.py make ARCHIVE

Longer than 250 lines: a program of one file.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

TYPE_CHECKING = False  # type checkers know the name; importing typing is not needed
if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
"""The Python of each release of Debian that is known."""
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_HOOKS = "/usr/share/mmdebstrap/hooks/merged-usr"
_PUBLIC_MIRROR = "http://deb.debian.org/debian"
_LOG_LINES = 20  # of mmdebstrap's, that an error repeats
_CHUNK = 1 << 20
_END_SECONDS = 20.0  # for mmdebstrap to clean up

# $1 is the root of the new system. From trixie on Debian's packages list no files for pip (RECORD), which then refuses to put another
# version in front of theirs: an empty list lets it, and lets theirs stay.
_FINISH = """\
set -e
ln -s /usr/bin/python3 "$1/usr/local/bin/python"
for info in "$1"/usr/lib/python3/dist-packages/*.dist-info; do
    [ -e "$info/RECORD" ] || : >"$info/RECORD"
done
rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED "$1/etc/resolv.conf" "$1/etc/hostname"
rm -rf "$1"/usr/share/man/* "$1"/usr/share/locale/* "$1"/usr/share/info/* "$1"/var/log/*
find "$1/usr/share/doc" -type f ! -name copyright -delete"""


class OfflineBaseError(Exception):
    """The image cannot be made.

    Attributes:
        what: what failed, and why.
        hint: what to do about it.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}\n{hint}")
        self.what = what
        self.hint = hint


def default_release() -> str:
    """Return this machine's release of Debian where it is a known one, so that its mirror serves it; else the oldest known."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                name, _, value = line.strip().partition("=")
                if name == "VERSION_CODENAME" and value.strip("\"'") in PYTHONS:
                    return value.strip("\"'")
    except OSError:
        pass
    return next(iter(PYTHONS))


def reference(release: str, include: Sequence[str] = ()) -> str:
    """Return the name of the image of a release, which tells images with different further packages apart."""
    name = f"localhost/buildr/offline-base:{release}-python{PYTHONS[release]}"
    if not include:
        return name
    return f"{name}-{hashlib.sha256(' '.join(sorted(set(include))).encode()).hexdigest()[:8]}"


def default_mirror(release: str) -> str:
    """Return the mirror that this machine's apt takes a release from, else Debian's own."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    try:
        done = subprocess.run(
            [*command, "Release: " + release, "Component: main"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return _PUBLIC_MIRROR
    found = [line for line in done.stdout.decode().splitlines() if line.startswith("http")]
    return found[0] if found else _PUBLIC_MIRROR


def make(
    archive: str, release: str, *, mirror: str = "", name: str = "", include: Sequence[str] = ()
) -> None:
    """Make the image; write it to a file.

    Args:
        archive: the path of the file.
        release: one of `PYTHONS`.
        mirror: a URL; by default this machine's.
        name: the image's; by default its `reference`.
        include: further packages of Debian.

    Raises:
        OfflineBaseError: mmdebstrap is missing or fails.
    """
    program = shutil.which("mmdebstrap")
    if program is None:
        raise OfflineBaseError(
            "mmdebstrap, which makes a base image of Debian's packages, is not installed",
            "Debian and Ubuntu: sudo apt-get install mmdebstrap debian-archive-keyring. Or make the image on another"
            " host, with `buildr base --output base.tar`, and load it here: podman load -i base.tar.",
        )
    mirror = mirror or default_mirror(release)
    with tempfile.TemporaryDirectory(prefix="buildr-base-", dir=os.path.dirname(archive)) as work:
        layer = os.path.join(work, "layer.tar")
        _bootstrap(program, release, mirror, layer, os.path.join(work, "log"), include)
        part = os.path.join(work, "image.tar")
        _write(part, layer, release, name or reference(release, include))
        os.chmod(part, 0o644)
        os.replace(part, archive)


def _bootstrap(
    program: str, release: str, mirror: str, layer: str, log: str, include: Sequence[str]
) -> None:
    # Named, since other distributions do not trust Debian's keys by themselves.
    keys = f"[signed-by={_KEYS}] " if os.path.exists(_KEYS) else ""
    command = [
        *(program, "--variant=essential", "--format=tar", "--skip=output/dev"),
        # Without usr-is-merged apt takes usrmerge, and with it the whole of Perl.
        # The official image has libstdc++6, too: wheels with C++, NumPy among them, load it.
        ",".join(
            ("--include=usr-is-merged,python3,python3-pip,ca-certificates,libstdc++6", *include)
        ),
        *("--hook-dir=" + _HOOKS, "--dpkgopt=force-unsafe-io"),
        '--aptopt=Acquire::Languages "none"',
    ]
    if os.access(CERTIFICATES, os.R_OK):
        # A proxy may sign with an authority of its own that only this machine's bundle has.
        command.append(f"--customize-hook=upload {CERTIFICATES} {CERTIFICATES}")
    command.append("--customize-hook=" + _FINISH)
    # One suite: each more costs seconds.
    command += [release, layer, f"deb {keys}{mirror} {release} main"]
    status = _run(command, log)
    if status:
        with open(log, encoding="utf-8", errors="replace") as file:
            tail = "".join(file.readlines()[-_LOG_LINES:]).rstrip()
        raise OfflineBaseError(
            f"mmdebstrap failed with status {status}; the mirror was {mirror}",
            f"{tail}\nIs the mirror reachable? Another one: --mirror URL.",
        )


def _run(command: list[str], log: str) -> int:
    """Run a command to its end; return its status. What interrupts this interrupts the command, too.

    It is started in a thread: an exception of a signal handler, which comes to the main thread, could otherwise come between
    the start and the knowledge of it. The exception may come before the thread has begun, too: it starts nothing then.
    """
    started: list[subprocess.Popen[bytes]] = []
    failed: list[OSError] = []
    interrupted: list[bool] = []
    starting = threading.Lock()
    tried = threading.Event()

    def start() -> None:
        try:
            with starting:
                if not interrupted:
                    started.append(_started(command, log))
        except OSError as error:
            failed.append(error)
        finally:
            tried.set()

    try:
        threading.Thread(target=start).start()
        tried.wait()
        if started:
            return started[0].wait()
    except BaseException:
        with starting:
            interrupted.append(True)
        if started:
            _end(started[0])
        raise
    raise failed[0]


def _started(command: list[str], log: str) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, so that what it starts can be interrupted with it."""
    with open(log, "wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt mmdebstrap and what it has started, and wait while it removes what it has unpacked.

    It is never killed: as root it has mounted parts of this system there, and would leave them so.
    """
    try:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(_END_SECONDS)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass  # it has ended, or goes on cleaning up in a session of its own


def _write(path: str, layer: str, release: str, name: str) -> None:
    """Write an archive of the image specification 1.2 of Docker, which all engines load."""
    python = PYTHONS[release]
    digest = hashlib.sha256()
    with open(layer, "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    # Without a time in its history, Podman would find no build that starts from it in its cache.
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    config = {
        "architecture": _architecture(),
        "os": "linux",
        "created": now,
        "config": {
            "Cmd": ["python3"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Labels": {
                "org.opencontainers.image.title": "offline-base",
                "org.opencontainers.image.description": f"Debian {release} with Debian's Python {python}, built locally where no"
                " registry could be reached. Not the official Python image.",
                "org.opencontainers.image.version": f"{release}-python{python}",
            },
        },
        "history": [{"created": now, "created_by": "buildr base"}],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest.hexdigest()]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        for member, value in (("manifest.json", manifest), ("config.json", config)):
            data = json.dumps(value).encode()
            head = tarfile.TarInfo(member)
            head.size = len(data)
            tar.addfile(head, io.BytesIO(data))
        head = tarfile.TarInfo("layer.tar")
        head.size = os.path.getsize(layer)
        with open(layer, "rb") as file:
            tar.addfile(head, file)


def _architecture() -> str:
    """Return this machine's architecture as image configurations name it (GOARCH), for those that Debian has."""
    machine = os.uname().machine
    known = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
    return known.get(machine, machine)


def main(words: Sequence[str]) -> int:
    """Do what the scripts of a checkout want; return the exit status."""
    parser = argparse.ArgumentParser(description="Make a base image of Debian's packages.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tag", help="print the image's name")
    commands.add_parser("make", help="make it").add_argument("archive")
    given = parser.parse_args(words)
    release = default_release()
    if given.command == "tag":
        print(reference(release))  # noqa: T201 - what it is for
        return 0
    try:
        make(os.path.abspath(given.archive), release)
    except OfflineBaseError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a program of its own
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
