"""Other machines: network namespaces with a cable to this host, and real ssh daemons."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SSHD = "/usr/sbin/sshd"
_SETTINGS = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
UsePAM yes
StrictModes no
PidFile none
{more}
"""
_CLIENT = """\
Host {address}
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
"""


@contextlib.contextmanager
def network_namespace(here: str, there: str) -> Iterator[list[str]]:
    """Make a network namespace with a cable to this host; yield the words before a command that runs there.

    Args:
        here: the address of this host's end, the first of a network of four.
        there: that of the other end.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can make another machine of a network namespace")
    name = f"b{uuid.uuid4().hex[:8]}"
    inside = ["nsenter", f"--net=/run/netns/{name}"]
    made = [
        ["ip", "netns", "add", name],
        ["ip", "link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b"],
        ["ip", "link", "set", f"{name}b", "netns", name],
        ["ip", "addr", "add", f"{here}/30", "dev", f"{name}a"],
        ["ip", "link", "set", f"{name}a", "up"],
        [*inside, "ip", "link", "set", "lo", "up"],
        [*inside, "ip", "addr", "add", f"{there}/30", "dev", f"{name}b"],
        [*inside, "ip", "link", "set", f"{name}b", "up"],
        [*inside, "ip", "route", "add", "default", "via", here],
    ]
    try:
        for command in made:
            subprocess.run(command, check=True)
        yield inside
    finally:
        subprocess.run(["ip", "link", "del", f"{name}a"], check=False)
        subprocess.run(["ip", "netns", "del", name], check=False)


class Sshd:
    """An ssh daemon that takes one key for all users.

    Attributes:
        process: the daemon, whose children serve one login each.
        place: its ``address:port``.
        folder: with ``known_hosts`` of the client, ``host_key.pub`` and ``bin``, whose ``ssh`` is the client's with its configuration.
    """

    def __init__(self, process: subprocess.Popen[bytes], place: str, folder: Path) -> None:
        self.process = process
        self.place = place
        self.folder = folder

    def logins(self) -> set[int]:
        """Return the pids of the processes that serve logins."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:
            return set(map(int, file.read().split()))

    def know(self) -> None:
        """Let the client know the daemon's key."""
        address, _, port = self.place.rpartition(":")
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"[{address}]:{port} {kind} {key}\n")


@contextlib.contextmanager
def sshd(
    folder: Path, *, address: str = "127.0.0.1", inside: Sequence[str] = (), more: str = ""
) -> Iterator[Sshd]:
    """Run an ssh daemon, whose key its client knows.

    Args:
        folder: an empty one, which all users can enter.
        address: where it listens.
        inside: words before the command, as of `network_namespace`.
        more: lines of its configuration.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can let several users log in")
    if not os.path.exists(_SSHD):
        pytest.skip("there is no sshd: apt install openssh-server")
    os.makedirs("/run/sshd", exist_ok=True)
    for name in ("host_key", "key"):
        words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        subprocess.run(words, check=True)
    (folder / "keys").write_bytes((folder / "key.pub").read_bytes())
    (folder / "client").write_text(_CLIENT.format(address=address, folder=folder))
    (folder / "bin").mkdir()
    client = folder / "bin" / "ssh"
    client.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder}/client "$@"\n')
    client.chmod(0o755)
    port = _free_port()
    settings = _SETTINGS.format(port=port, address=address, folder=folder, more=more)
    (folder / "settings").write_text(settings)
    command = (*inside, _SSHD, "-D", "-e", "-f", str(folder / "settings"))
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            seen = b""
            while b"Server listening" not in seen:
                line = process.stderr.readline()
                assert line, seen.decode()
                seen += line
            found = Sshd(process, f"{address}:{port}", folder)
            found.know()
            yield found
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
