"""The host's terminal while a guest uses it: keys pass through immediately, and its mode is always restored."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_INPUT, _OUTPUT, _CONTROL, _LOCAL, _CC = 0, 1, 2, 3, 6  # fields of termios.tcgetattr


def guest_gets_terminal() -> bool:
    """Whether the guest gets a terminal: only if all three streams are one.

    A terminal has a single output: if only stderr were redirected, its bytes would end up in the other stream.
    """
    return all(_is_terminal(fd) for fd in (0, 1, 2))


def size() -> tuple[int, int] | None:
    """Return rows and columns of the terminal, if standard output is one."""
    try:
        columns, rows = os.get_terminal_size(1)
    except OSError:
        return None
    return rows, columns


@contextlib.contextmanager
def passing_keys(*, interrupt_to_guest: bool) -> Iterator[Terminal]:
    r"""Put the terminal on standard input into raw mode, since the guest's terminal processes keys.

    Args:
        interrupt_to_guest: whether Ctrl+C, Ctrl+Z and Ctrl+\\ go to the guest, too, and not to the host.
    """
    terminal = Terminal(interrupt_to_guest=interrupt_to_guest)
    terminal.enter()
    try:
        yield terminal
    finally:
        terminal.leave()


class Terminal:
    """The terminal on standard input, in raw or in its original mode."""

    def __init__(self, *, interrupt_to_guest: bool) -> None:
        self._own = termios.tcgetattr(0)
        guests = termios.tcgetattr(0)
        # As cfmakeraw(3), except ISIG.
        guests[_INPUT] &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        guests[_OUTPUT] &= ~termios.OPOST
        guests[_CONTROL] = guests[_CONTROL] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        guests[_LOCAL] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN)
        if interrupt_to_guest:
            guests[_LOCAL] &= ~termios.ISIG
        guests[_CC][termios.VMIN] = 1
        guests[_CC][termios.VTIME] = 0
        self._guests = guests

    def enter(self) -> None:
        """Let keys pass to the guest."""
        _set(self._guests)

    def leave(self) -> None:
        """Restore the terminal."""
        _set(self._own)

    def suspend(self) -> None:
        """Stop this process, as for Ctrl+Z, with the terminal restored; return when it continues."""
        self.leave()
        # To this thread: a signal to the process might be delivered later, to another thread.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        self.enter()


def _set(attributes: list[object]) -> None:
    # From the background this would stop the process (SIGTTOU), unless the signal is blocked.
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU}) if is_main else None
    try:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(0, termios.TCSADRAIN, attributes)  # type: ignore[arg-type]  # what tcgetattr gave
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False
