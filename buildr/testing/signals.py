"""The signals of a fake container: those that its guest catches, ignores, or is killed by."""

from __future__ import annotations

import signal
from collections import deque
from typing import TYPE_CHECKING

from buildr.testing.streams import GuestEnded

if TYPE_CHECKING:
    from buildr.testing.streams import Plumbing

_HARMLESS = {
    signal.SIGCHLD,
    signal.SIGCONT,
    signal.SIGURG,
    signal.SIGWINCH,
    signal.SIGSTOP,  # stopping and going on look the same from outside
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
}


class GuestSignals:
    """How a guest handles signals. By default a signal has the effect that it has on any process.

    Attributes:
        received: every signal that was sent, in order.
    """

    def __init__(self, plumbing: Plumbing) -> None:
        self.received: list[int] = []
        self._plumbing = plumbing
        self._caught: set[int] = set()
        self._ignored: set[int] = set()
        self._pending: deque[int] = deque()

    def catch(self, *numbers: int) -> None:
        """Keep these signals for `wait` from now on."""
        with self._plumbing.changed:
            self._caught.update(numbers)

    def ignore(self, *numbers: int) -> None:
        """Ignore these signals from now on."""
        with self._plumbing.changed:
            self._ignored.update(numbers)

    def wait(self, seconds: float | None = None) -> int:
        """Wait for a signal that is caught, and return it.

        Args:
            seconds: how long to wait at most; ``None``: no limit.

        Raises:
            TimeoutError: none came.
            GuestEnded: the container was killed.
        """
        with self._plumbing.changed:
            self._plumbing.changed.wait_for(lambda: self._pending or self._plumbing.ended, seconds)
            if self._pending:
                return self._pending.popleft()
            if self._plumbing.ended:
                raise GuestEnded
        raise TimeoutError(f"no signal came within {seconds} s")

    def send(self, number: int) -> None:
        """Deliver a signal; after the guest's end it is lost."""
        with self._plumbing.changed:
            if self._plumbing.ended:
                return
            self.received.append(number)
            if number != signal.SIGKILL and number in self._ignored | _HARMLESS - self._caught:
                return
            if number != signal.SIGKILL and number in self._caught:
                self._pending.append(number)
            else:
                self._plumbing.exit_code = 128 + number
            self._plumbing.changed.notify_all()
