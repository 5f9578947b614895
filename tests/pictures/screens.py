"""A terminal with a shell, run by tmux with its own server and socket, a fixed size, and default settings."""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

from tests.pictures import COLUMNS, PROMPT, ROWS

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from tests.engine.harness import Engine

_SECONDS = 300  # longer than any command, even on a slow machine
_LOOK_SECONDS = 0.05  # tmux has no event for text on the screen
_READY = "ready"


class ScreenError(Exception):
    """The screen does not show what the picture needs."""


class Screen:
    """One terminal; a context manager, which ends the shell on exit.

    Args:
        engine: determines the user of the shell.
        directory: the shell's working directory; tmux's socket is beside it.
    """

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._engine = engine
        self._directory = directory
        self._socket = f"buildr-pictures-{os.getpid()}"

    def __enter__(self) -> Self:
        """Start the shell, and wait for its prompt."""
        self._tmux(
            *("set", "-g", "status", "off", ";"),
            *("set", "-g", "default-terminal", "xterm-256color", ";"),
            *("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS)),
            *("bash", "--norc", "--noprofile"),
            start=True,
        )
        self._await_prompt()
        return self

    def __exit__(self, *_: object) -> None:
        """End the shell and its tmux server."""
        self._tmux("kill-server")

    def type(self, command: str) -> None:
        """Type one line."""
        self._tmux("send-keys", "-l", command)
        self._tmux("send-keys", "Enter")

    def run(self, command: str) -> None:
        """Type one line, and wait for the next prompt."""
        self.type(command)
        self._await_prompt()

    def await_text(self, pattern: str) -> str:
        """Wait until the screen shows a pattern; return it as `shown` does.

        Raises:
            ScreenError: the command ended, or the time is over, without that text.
        """
        limit = time.monotonic() + _SECONDS
        while time.monotonic() < limit:
            text = self.shown()
            if re.search(pattern, re.sub(r"\x1b\[[\d;]*m", "", text)):
                return text
            if self._at_prompt():
                break
            time.sleep(_LOOK_SECONDS)
        raise ScreenError(f"the screen never showed {pattern!r}:\n{self.shown()}")

    def shown(self) -> str:
        """Return the screen's lines with their colours, as SGR sequences (ECMA-48), without the last prompt.

        Raises:
            ScreenError: some lines have scrolled off the screen.
        """
        if self._tmux("display-message", "-p", "#{history_size}").strip() != "0":
            raise ScreenError(f"there is more to show than {ROWS} lines")
        text = self._tmux("capture-pane", "-e", "-p").rstrip()
        return text.removesuffix(f"\n{PROMPT.rstrip()}").rstrip()

    def _await_prompt(self) -> None:
        # The shell signals it right before the prompt; tmux keeps the signal for later waits.
        self._tmux("wait-for", _READY)
        # Text that is typed before the prompt appears would be shown twice.
        limit = time.monotonic() + _SECONDS
        while not self._at_prompt():
            if time.monotonic() > limit:
                raise ScreenError(f"the shell does not prompt:\n{self._tmux('capture-pane', '-p')}")
            time.sleep(_LOOK_SECONDS)

    def _at_prompt(self) -> bool:
        last = self._tmux("capture-pane", "-p").rstrip().rpartition("\n")[2]
        return last == PROMPT.rstrip()

    def _tmux(self, *words: str, start: bool = False) -> str:
        environ = {
            **self._engine.environ,
            "TERM": "xterm-256color",
            "TMUX_TMPDIR": str(self._directory.parent),  # the place of its socket
            "LANG": "C.UTF-8",
            "PS1": PROMPT,
            "HISTFILE": "",
            "PROMPT_COMMAND": f"tmux wait-for -S {_READY}",
        }
        config = ("-f", "/dev/null") if start else ()
        done = subprocess.run(
            self._engine.command("tmux", "-u", "-L", self._socket, *config, *words),
            cwd=self._directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise ScreenError(f"tmux {words[0]} failed: {done.stderr.strip()}")
        return done.stdout
