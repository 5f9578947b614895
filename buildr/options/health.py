"""The health check of a container: ``"curl -f localhost:8080"``, ``["python", "check.py"]``, or a dict with its times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.options.errors import InvalidValueError
from buildr.options.reading import record
from buildr.options.values import each, integer, number, text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HealthCheck", "health_check"]

_ACCEPTS = (
    'a line for sh, a list of words, or a dict {"command": …, "interval": seconds, "timeout": seconds, "retries": number,'
    ' "start_period": seconds}'
)
_COMMAND = 'a line for sh, such as "test -e /tmp/ready", or a list of words'
_SECONDS = "seconds from 0.001 to 86400"
_START = "seconds from 0 to 86400"
_RETRIES = "a number from 1 to 1000"
_DAY = 86_400


class HealthCheck(Struct, frozen=True):
    """A command that exits with 0 if the container is healthy.

    The times are Docker's own unless given: https://docs.docker.com/reference/dockerfile/#healthcheck.

    Attributes:
        command: a line for ``sh``, or the words of a command in the container.
        interval: seconds from one check to the next.
        timeout: seconds that one may take.
        retries: how many in a row have to fail until the container counts as unhealthy.
        start_period: seconds after the start in which failures do not count.
    """

    command: str | tuple[str, ...]
    interval: float = 30
    timeout: float = 30
    retries: int = 3
    start_period: float = 0

    @property
    def test(self) -> tuple[str, ...]:
        """The command as both engines take it: ``CMD`` and words, or ``CMD-SHELL`` and a line for ``sh``."""
        if isinstance(self.command, str):
            return ("CMD-SHELL", self.command)
        return ("CMD", *self.command)


def health_check(value: object) -> HealthCheck:
    """Read the option ``healthcheck``.

    Raises:
        InvalidValueError: it is not a health check.
    """
    if isinstance(value, (str, list, tuple)):
        value = {"command": value}
    return HealthCheck(
        **record(value, HealthCheck, _READERS, required=("command",), accepts=_ACCEPTS)
    )


def _command(value: object) -> str | tuple[str, ...]:
    if isinstance(value, str):
        line = text(value, _COMMAND)
        if not line.strip():
            raise InvalidValueError(value, _COMMAND, problem="it is empty")
        return line
    words = tuple(each(value, lambda word: text(word, _COMMAND), _COMMAND))
    if not words or not words[0]:
        raise InvalidValueError(value, _COMMAND, problem="there is no command")
    return words


def _retries(value: object) -> int:
    return integer(value, 1, 1000, _RETRIES)


_READERS: dict[str, Callable[[Any], Any]] = {
    "command": _command,
    "interval": lambda value: number(value, 0.001, _DAY, _SECONDS),
    "timeout": lambda value: number(value, 0.001, _DAY, _SECONDS),
    "retries": _retries,
    "start_period": lambda value: number(value, 0, _DAY, _START),
}
