"""Other machines, reached by the user's own ``ssh``.

Its configuration, agent, known hosts and shared connections are the user's: what ``ssh HOST`` reaches without a question, Buildr
reaches. An ``ssh`` that forwards runs ``cat`` on the other machine, and ends with its standard input: when this process ends,
however it ends, so does that one. It has a session of its own, as with Docker's command, so that Ctrl+C does not reach it.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import time
from typing import TYPE_CHECKING

from buildr.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr_backends.http.endpoint import SshAddress

_LOGIN_SECONDS = 60.0
"""How long a login may take: an agent may ask the user to confirm it."""
_END_SECONDS = 5.0
_READY = b"buildr-ready"
_LINE = 64 << 10  # of what a shell's start-up files may print before it
_LOG_BYTES = 4 << 10  # of the last lines
_OPTIONS = (
    "-T",  # no terminal
    "-a",  # the other machine gets neither the agent
    "-x",  # nor the display
    *("-o", "RemoteCommand=none"),
    *("-o", "PermitLocalCommand=no"),
    *("-o", "StreamLocalBindMask=0177"),
)

_HINTS = (
    (
        "host key verification failed|host identification has changed",
        "Run `{by_hand}` once, and compare the host's key before you accept it.",
    ),
    (
        "permission denied",
        "`{by_hand}` has to work without a question: load your key with ssh-add, or name it in ~/.ssh/config.",
    ),
    (
        "open failed: ",
        "Nothing listens on {path} there, you may not open it, or sockets are not forwarded (sshd_config(5), AllowStreamLocalForwarding).",
    ),
)
"""Parts of the messages of ``ssh``, each with what to do."""


def command_line(address: SshAddress, options: Sequence[str], command: Sequence[str]) -> list[str]:
    """Return the command line that runs a command on another machine."""
    port = ["-p", str(address.port)] if address.port else []
    identity = ["-i", address.identity] if address.identity else []
    return ["ssh", *_OPTIONS, *port, *identity, *options, "--", address.destination, *command]


class Forwarding:
    """One ``ssh`` that forwards sockets or ports as long as it runs.

    Args:
        address: of the other machine.
        forwards: what follows ``-L``, for each: see ssh(1).
        log: the path of a file for what ``ssh`` writes.
        options: more of ``ssh``'s.

    Raises:
        EngineUnavailableError: ``ssh`` is not installed, or cannot log in.
    """

    def __init__(
        self, address: SshAddress, forwards: Sequence[str], log: str, *options: str
    ) -> None:
        self._address = address
        self._forwards = [*options, *(word for one in forwards for word in ("-L", one))]
        self._log = log
        with open(log, "wb") as file:
            try:
                self._process = subprocess.Popen(
                    command_line(address, self._forwards, ["cat"]),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=file,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise EngineUnavailableError(
                    f"{address.destination} cannot be reached: there is no program ssh",
                    hint="Install it: apt install openssh-client, dnf install openssh-clients.",
                ) from None
        try:
            ready = self._echoes()
        except BaseException:
            self.close()
            raise
        if not ready:
            refused = self._refused()
            self.close()
            raise refused

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def cancel(self) -> None:
        """Let a connection that the user shares between logins (ControlMaster) give the forwarding up; it would keep it."""
        subprocess.run(
            command_line(self._address, ["-O", "cancel", *self._forwards], []),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=_END_SECONDS,
        )

    def messages(self) -> str:
        """Return the end of what ``ssh`` has written."""
        with contextlib.suppress(OSError), open(self._log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_BYTES))
            return file.read().decode(errors="replace").strip()
        return ""

    def _echoes(self) -> bool:
        """Wait for the login: ``cat`` returns what it is sent, whatever else a shell prints before."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - they are pipes
        assert stdout is not None  # noqa: S101 - they are pipes
        with contextlib.suppress(BrokenPipeError):
            stdin.write(_READY + b"\n")
            stdin.flush()
        deadline, seen = time.monotonic() + _LOGIN_SECONDS, b""
        while _READY not in seen:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([stdout], [], [], left)[0]:
                return False
            chunk = os.read(stdout.fileno(), _LINE)
            if not chunk:
                return False
            seen = seen[-len(_READY) :] + chunk
        return True

    def _refused(self) -> EngineUnavailableError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0 if self.alive else _END_SECONDS)
        text = self.messages() or f"ssh did not log in within {_LOGIN_SECONDS:.0f} s"
        lines = text.splitlines()
        cause = next((line for line in lines if line.startswith("bind ")), lines[-1])
        return EngineUnavailableError(
            f"ssh cannot log in to {self._address.destination}: {cause}",
            hint=hint_of(text, self._address),
        )


def output(address: SshAddress, *command: str) -> str:
    """Return what a command prints on another machine.

    Raises:
        EngineUnavailableError: ``ssh`` cannot log in, or the command fails.
    """
    try:
        done = subprocess.run(
            command_line(address, [], command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            start_new_session=True,
            timeout=_LOGIN_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnavailableError(f"{address.destination} cannot be reached: {error}") from None
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace").strip()
        last = text.splitlines()[-1] if text else f"status {done.returncode}"
        raise EngineUnavailableError(
            f"`{' '.join(command)}` fails on {address.destination}: {last}",
            hint=hint_of(text, address),
        )
    return done.stdout.decode(errors="replace").strip()


def hint_of(text: str, address: SshAddress) -> str:
    """Return what to do about what ``ssh`` has written."""
    port = ["-p", str(address.port)] if address.port else []
    by_hand = " ".join(["ssh", *port, address.destination])
    for pattern, hint in _HINTS:
        if re.search(pattern, text, re.IGNORECASE):
            return hint.format(by_hand=by_hand, path=address.path)
    return f"Does `{by_hand}` work?"
