"""The values of the options of the run: what each accepts, and the reader that checks it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn

from msgspec import Struct

from buildr.errors import Message, OptionError, OptionName
from buildr.options.errors import InvalidValueError
from buildr.options.reading import record
from buildr.options.size import ACCEPTS as SIZE
from buildr.options.size import parse_bytes
from buildr.options.values import each, integer, matching, number, path, text, typed

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_MEMORY = 6 * 1024 * 1024
"""Bytes; Docker refuses less, and a Python would not start in it."""

_PAGE = 4096  # bytes; the kernel rounds up to it
_CPUS = "a number of CPUs from 0.01 to 100000, such as 1.5"
_MEMORY = f"{SIZE}, at least 6 MiB"
_SHM = "a size of at least 4096 bytes, such as 256m"
_PIDS = "a number, 1 or more"
_NAME = "two or more letters, digits, and _ . - (not first)"
_NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}"
"""Docker's grammar; Podman's has one character, too."""
_STATUS = "a status from 0 to 255, such as 130"
_GRACE = "seconds from 0 to 86400"
_ENV_FILE = "the path of a file of variables, or a list of paths"
_WAIT = "seconds from 0.001 to 86400"
_RESTART = '"no", "on-failure", "on-failure:N" (at most N times), "always" or "unless-stopped"'
_RESTART_PATTERN = r"no|always|unless-stopped|on-failure(?::[1-9][0-9]{0,5})?"
_INTERRUPT = '"host" (Ctrl+C stops the container) or "guest" (Ctrl+C is passed to the script)'
_TIMEOUT = "seconds from 0.001 to 31536000"
_KEEP = "seconds from 0 to 31536000"
_FORMAT = '"json", or "pickle" where the container may run code on the host'
_REPLICAS = "a number, 1 or more"
_SHARDS = 'a dict {"shards": number (1 or more), "urlPattern": text}'
_JOBS = 'a dict {"iterations": number (1 or more)}'


def memory(value: object) -> int:
    """Read the option ``memory``, in bytes."""
    return _size(value, LEAST_MEMORY, _MEMORY, "it is less than 6 MiB")


def shm_size(value: object) -> int:
    """Read the option ``shm_size``, in bytes."""
    return _size(value, _PAGE, _SHM, "it is less than one page")


def _size(value: object, least: int, accepts: str, problem: str) -> int:
    try:
        size = parse_bytes(value)  # type: ignore[arg-type] # it refuses every other type itself
    except InvalidValueError as error:
        raise InvalidValueError(value, accepts, problem=error.problem) from None
    if size < least:
        raise InvalidValueError(value, accepts, problem=problem)
    return size


def cpus(value: object) -> float:
    """Read the option ``cpus``."""
    return number(value, 0.01, 100_000, _CPUS)


def pids_limit(value: object) -> int:
    """Read the option ``pids_limit``."""
    return _count(value, _PIDS)


def name(value: object) -> str:
    """Read the option ``name``."""
    return matching(value, _NAME_PATTERN, _NAME)


def grace_seconds(value: object) -> float:
    """Read the option ``grace_seconds``."""
    return number(value, 0, 86_400, _GRACE)


def interrupt(value: object) -> str:
    """Read the option ``interrupt``."""
    return matching(value, "host|guest", _INTERRUPT)


def interrupt_status(value: object) -> int:
    """Read the option ``interrupt_status``."""
    return integer(value, 0, 255, _STATUS)


def restart(value: object) -> str:
    """Read the option ``restart``."""
    return matching(value, _RESTART_PATTERN, _RESTART)


def wait_seconds(value: object) -> float:
    """Read the option ``wait_seconds``."""
    return number(value, 0.001, 86_400, _WAIT)


def call_format(value: object) -> str:
    """Read the option ``call_format``."""
    return matching(value, "json|pickle", _FORMAT)


def call_timeout(value: object) -> float:
    """Read the option ``call_timeout``."""
    return number(value, 0.001, 31_536_000, _TIMEOUT)


def call_keep_seconds(value: object) -> float:
    """Read the option ``call_keep_seconds``."""
    return number(value, 0, 31_536_000, _KEEP)


def _cluster(option: str) -> NoReturn:
    raise OptionError(
        Message(
            OptionName(f"runtime.{option}"),
            " is not supported yet: one engine runs one container",
        ),
        hint="leave it out",
    )


def _count(value: object, accepts: str = _REPLICAS) -> int:
    count = typed(value, int, accepts)
    if count < 1:
        raise InvalidValueError(value, accepts)
    return int(count)


def replicas(value: object) -> int:
    """Read the option ``replicas``, of which one engine takes 1."""
    return 1 if _count(value) == 1 else _cluster("replicas")


def env_file(value: object) -> tuple[str, ...]:
    """Read the option ``env_file``, one path or several; whether there are such files is seen at the run."""
    if isinstance(value, (str, os.PathLike)):
        return (path(value, _ENV_FILE),)
    return tuple(each(value, lambda item: path(item, _ENV_FILE), _ENV_FILE))


class _ShardSpec(Struct):
    shards: int
    url_pattern: str = ""
    shard_expression: str = ""
    """What Metaparticle's Python package called ``url_pattern``."""


class _JobSpec(Struct):
    iterations: int


def _pattern(value: object) -> str:
    return text(value, "a regular expression")


def shard_spec(value: object) -> NoReturn:
    """Check the option ``shard_spec``, and refuse it."""
    readers: dict[str, Callable[[Any], Any]] = {
        "shards": _count,
        "url_pattern": _pattern,
        "shard_expression": _pattern,
    }
    record(value, _ShardSpec, readers, required=("shards",), accepts=_SHARDS)
    _cluster("shard_spec")


def job_spec(value: object) -> NoReturn:
    """Check the option ``job_spec``, and refuse it."""
    record(value, _JobSpec, {"iterations": _count}, required=("iterations",), accepts=_JOBS)
    _cluster("job_spec")
