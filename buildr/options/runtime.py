"""The options of the run: ``runtime=``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from msgspec import Struct, structs

from buildr.errors import OptionError
from buildr.options.devices import Gpus, devices, gpus
from buildr.options.environment import environment
from buildr.options.errors import WrongValueError
from buildr.options.health import HealthCheck, health_check
from buildr.options.mounts import Mount, mounts
from buildr.options.networks import MODES, Network, networks
from buildr.options.package import backend
from buildr.options.ports import EVERY_INTERFACE, LOOPBACK, Port, bound, debug_port, published_ports
from buildr.options.reading import read_given, record
from buildr.options.size import ACCEPTS as SIZE
from buildr.options.size import parse_bytes
from buildr.options.tmpfs import Tmpfs, tmpfs
from buildr.options.ulimits import Ulimit, ulimits
from buildr.options.values import each, flag, matching, number, path, text, typed
from buildr.options.wait_for import Condition, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "LEAST_MEMORY",
    "Runtime",
    "RuntimeOptions",
    "complete_runtime",
    "given_runtime",
    "runtime_options",
]

LEAST_MEMORY = 6 * 1024 * 1024
"""Bytes; Docker refuses less, and a Python would not start in it."""

_PAGE = 4096  # bytes; the kernel rounds up to it
_CPUS = "a number of CPUs from 0.01 to 100000, such as 1.5"
_MEMORY = f"{SIZE}, at least 6 MiB"
_SHM = "a size from 4096 bytes on, such as 256m"
_PIDS = "a number from 1 on"
_NAME = "two or more letters, digits, and _ . - (not first)"
_NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}"
"""Docker's grammar; Podman's has one character, too."""
_GRACE = "seconds from 0 to 86400"
_ENV_FILE = "the path of a file of variables, or a list of paths"
_WAIT = "seconds from 0.001 to 86400"
_RESTART = '"no", "on-failure", "on-failure:N" (at most N times), "always" or "unless-stopped"'
_RESTART_PATTERN = r"no|always|unless-stopped|on-failure(?::[1-9][0-9]{0,5})?"
_INTERRUPT = '"host" (Ctrl+C stops the container) or "guest" (Ctrl+C is passed to the script)'
_TIMEOUT = "seconds from 0.001 to 31536000"
_FORMAT = '"json", or "pickle" where the container may run code on the host'
_REPLICAS = "a number from 1 on"
_SHARDS = 'a dict {"shards": number from 1 on, "urlPattern": text}'
_JOBS = 'a dict {"iterations": number from 1 on}'


class RuntimeOptions(Struct, frozen=True, kw_only=True):
    """How the container runs. Every option may be left out; `runtime_options` checks them.

    Attributes:
        executor: the backend that runs the container.
        ports: published ports: ``8080``, ``"8080:80"``, ``"127.0.0.1:8080:80/udp"``, ranges, or a dict
            ``{container: host}``.
        public: whether ports without an address are bound to every address of the host, not to 127.0.0.1.
        env: environment variables; ``None`` as value passes the host's on. Also a list, ``["NAME=value", "NAME"]``.
        env_file: files of variables (``.env``), one or a list; what ``env`` names comes before them.
        mounts: ``"source:/target[:ro]"``, dicts, or `Mount` objects.
        tmpfs: directories in memory, ``"/target"`` or ``"/target:size=64m"``.
        cpus: how many CPUs the container may use.
        memory: how much memory it may use, ``512m`` or a number of bytes.
        shm_size: how large ``/dev/shm`` is, ``256m`` or a number of bytes; 64 MiB by default. It counts as ``memory``.
        pids_limit: how many processes and threads it may have.
        ulimits: limits of each process: ``{"nofile": 1024}``, ``{"nofile": [1024, 4096]}`` (soft, hard; -1 for none), or a list,
            ``["nofile=1024:4096"]``.
        devices: devices of this host: ``"/dev/fuse"``, ``"/dev/host:/dev/container:rwm"``, or a name of the Container Device
            Interface, ``"vendor.com/class=name"``.
        gpus: NVIDIA GPUs: ``"all"``, how many, or which, ``["0", "GPU-…"]``.
        network: a network that the engine has, by its name; ``none``; or ``host``, where the guest shares the network of this
            host. Also a list of networks, each with names for the container there, ``"backend:alias=db"``. By default a private
            one that reaches out.
        name: the container's name; by default the engine chooses.
        grace_seconds: how long it may take to end after a signal before it is killed.
        interrupt: who gets Ctrl+C, ``host`` or ``guest``.
        hardened: drop every capability and mount the root read-only.
        mount_source: show the guest the context itself at ``/app``, in place of a copy in the image: what changes on
            either side is there at once on the other, ignored files and secrets included.
        debug: where a debugger attaches, ``5678`` or ``"127.0.0.1:5678"``, 0 for any free port; the script waits for it, and
            debugpy is added to the image. A call's never does.
        keep: whether the container of a script that fails stays for a look; a call's never does.
        detach: whether the container goes on without the host process, which prints the run's id and ends with 0; it has no
            standard input, and stays until ``buildr stop``. A call's never does.
        healthcheck: a command that tells whether the container is well, by ending with 0: a line for ``sh``, a list of words, or
            a dict with ``command``, ``interval``, ``timeout``, ``start_period`` (seconds) and ``retries``. Podman asks it only
            where systemd runs.
        restart: whether the engine starts a detached container again when it has ended: ``no``, ``on-failure``, ``on-failure:3`` (at
            most three times), ``always`` or ``unless-stopped``. A call's never is.
        wait_for: when a detached container counts as ready, which ``detach`` waits for: ``"port:8080"`` (something accepts
            connections there), ``"http:8080/health"`` (it answers with a status from 200 to 399), ``"log:REGEX"`` (a line of
            its output) or ``"healthy"`` (its health check); one or a list. Ports are the container's, and published.
        wait_seconds: how long that may take; then, or where the script ends before, the container is removed.
        call_timeout: how many seconds a call by ``.remote`` or ``.map`` may run; the build does not count.
        call_limit: how large its arguments may be, and its result: ``16m`` or a number of bytes.
        call_format: how these travel: ``json``, or ``pickle``, which lets the container run code on the host.
        replicas: how many instances run; one engine runs one.
        shard_spec: for clusters; refused on one engine.
        job_spec: for clusters; refused on one engine.
    """

    executor: str | None = None
    ports: Sequence[int | str | Port] | Mapping[Any, int | str | None] = ()
    public: bool = False
    env: Mapping[str, str | None] | Sequence[str] = {}
    env_file: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = ()
    mounts: Sequence[str | Mount | Mapping[str, Any]] = ()
    tmpfs: Sequence[str | Tmpfs | Mapping[str, Any]] = ()
    cpus: float | None = None
    memory: str | int | None = None
    shm_size: str | int | None = None
    pids_limit: int | None = None
    ulimits: Mapping[str, Any] | Sequence[str | Ulimit] = ()
    devices: Sequence[str] = ()
    gpus: str | int | Sequence[str | int] | None = None
    network: str | Network | Mapping[str, Any] | Sequence[str | Network | Mapping[str, Any]] = ()
    name: str | None = None
    grace_seconds: float = 10
    interrupt: Literal["host", "guest"] = "host"
    hardened: bool = False
    mount_source: bool = False
    debug: int | str | Port | None = None
    keep: bool = False
    detach: bool = False
    healthcheck: str | Sequence[str] | HealthCheck | Mapping[str, Any] | None = None
    restart: str = "no"
    wait_for: str | Sequence[str | Condition] = ()
    wait_seconds: float = 60
    call_timeout: float | None = None
    call_limit: str | int = "16m"
    call_format: Literal["json", "pickle"] = "json"
    replicas: int = 1
    shard_spec: Mapping[str, Any] | None = None
    job_spec: Mapping[str, Any] | None = None


class Runtime(RuntimeOptions, frozen=True, kw_only=True):
    """Validated `RuntimeOptions`; ``memory``, ``shm_size`` and ``call_limit`` are in bytes, sources of mounts are as they were written."""

    ports: tuple[Port, ...] = ()
    env: Mapping[str, str | None] = {}
    env_file: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    memory: int | None = None
    shm_size: int | None = None
    ulimits: tuple[Ulimit, ...] = ()
    devices: tuple[str, ...] = ()
    gpus: Gpus | None = None
    network: tuple[Network, ...] = ()
    debug: Port | None = None
    healthcheck: HealthCheck | None = None
    wait_for: tuple[Condition, ...] = ()
    call_limit: int = 16 << 20
    shard_spec: None = None
    job_spec: None = None


def runtime_options(value: RuntimeOptions | Mapping[str, Any] | None) -> Runtime:
    """Validate the options of the run.

    Args:
        value: ``None``, a mapping with names in snake_case or camelCase, or typed options.

    Raises:
        OptionError: options are unknown, ill-typed, no valid values, or not supported on one engine.
    """
    return complete_runtime(given_runtime(value))


def given_runtime(value: object, *, kind: str = "runtime") -> dict[str, Any]:
    """Validate the options of the run one by one, and return those that are given.

    Args:
        value: as of `runtime_options`.
        kind: what errors call the group.

    Raises:
        OptionError: options are unknown, ill-typed, no valid values, or not supported on one engine.
    """
    return read_given(kind, value, given=RuntimeOptions, readers=_READERS, aliases=_ALIASES)


def complete_runtime(values: Mapping[str, Any]) -> Runtime:
    """Make the options of the run of valid values.

    Args:
        values: what `given_runtime` returned, from one place or from several.

    Raises:
        OptionError: one port of the host stands for two of the container, a target is mounted twice, or options exclude
            each other.
    """
    found = Runtime(**values)
    if found.detach and found.keep:
        raise OptionError(
            "runtime.detach and runtime.keep exclude each other: a detached container stays anyway, however it ends",
            hint="accepted: one of the two",
        )
    mounted = {mount.target for mount in found.mounts}
    for item in found.tmpfs:
        if item.target in mounted:
            raise OptionError(
                f"runtime.tmpfs and runtime.mounts both have the target {item.target}",
                hint="accepted: one of the two",
            )
    network = found.network[0].name if found.network else ""
    if network in MODES:
        for option, given in (("ports", found.ports), ("debug", found.debug)):
            if given:
                raise OptionError(
                    f"runtime.{option} and runtime.network={network!r} exclude each other: there is no port to publish",
                    hint="accepted: one of the two",
                )
    try:
        ports = bound(found.ports, EVERY_INTERFACE if found.public else LOOPBACK)
    except WrongValueError as error:
        raise OptionError(error.within("runtime.ports").what, hint=error.hint) from None
    _check_waiting(found.wait_for, ports)
    debug = found.debug
    if debug is not None and any(
        port.protocol == "tcp"
        and (port.container == debug.container or 0 < port.host == debug.host)
        for port in ports
    ):
        raise OptionError(
            f"runtime.debug and runtime.ports both have the port {debug.host or debug.container}",
            hint="accepted: another port for one of the two",
        )
    return structs.replace(found, ports=ports)


def _check_waiting(conditions: tuple[Condition, ...], ports: tuple[Port, ...]) -> None:
    published = {port.container for port in ports if port.protocol == "tcp"}
    for condition in conditions:
        if condition.port and condition.port not in published:
            raise OptionError(
                f"runtime.wait_for={str(condition)!r} needs a port that is published, and {condition.port} is not",
                hint=f"Add {condition.port} to runtime.ports (--port {condition.port}; 0:{condition.port} for any free port here), or"
                ' wait for a line of its output, "log:REGEX".',
            )


_ALIASES = {"public_address": "public"}
"""The ancestor's name for it."""


def _memory(value: object) -> int:
    try:
        size = parse_bytes(value)  # type: ignore[arg-type] # it refuses every other type itself
    except WrongValueError as error:
        raise WrongValueError(value, _MEMORY, problem=error.problem) from None
    if size < LEAST_MEMORY:
        raise WrongValueError(value, _MEMORY, problem="it is less than 6 MiB")
    return size


def _shm_size(value: object) -> int:
    try:
        size = parse_bytes(value)  # type: ignore[arg-type] # it refuses every other type itself
    except WrongValueError as error:
        raise WrongValueError(value, _SHM, problem=error.problem) from None
    if size < _PAGE:
        raise WrongValueError(value, _SHM, problem="it is less than one page")
    return size


def call_timeout(value: object) -> float:
    """Return a valid ``call_timeout``.

    Raises:
        WrongValueError: it is none.
    """
    return number(value, 0.001, 31_536_000, _TIMEOUT)


def _cluster(option: str) -> NoReturn:
    raise OptionError(
        f"runtime.{option} is not supported yet: one engine runs one container",
        hint="leave it out",
    )


def _count(value: object, accepts: str = _REPLICAS) -> int:
    count = typed(value, int, accepts)
    if count < 1:
        raise WrongValueError(value, accepts)
    return int(count)


def _replicas(value: object) -> int:
    return 1 if _count(value) == 1 else _cluster("replicas")


def _env_file(value: object) -> tuple[str, ...]:
    """Read one path or several; whether there are such files is seen at the run."""
    if isinstance(value, (str, os.PathLike)):
        return (path(value, _ENV_FILE),)
    return tuple(each(value, lambda item: path(item, _ENV_FILE), _ENV_FILE))


class _ShardSpec(Struct):
    shards: int
    url_pattern: str = ""
    shard_expression: str = ""
    """The name that the ancestor's Python package had for ``url_pattern``."""


class _JobSpec(Struct):
    iterations: int


def _pattern(value: object) -> str:
    return text(value, "a regular expression")


def _shard_spec(value: object) -> NoReturn:
    readers: dict[str, Callable[[Any], Any]] = {
        "shards": _count,
        "url_pattern": _pattern,
        "shard_expression": _pattern,
    }
    record(value, _ShardSpec, readers, required=("shards",), accepts=_SHARDS)
    _cluster("shard_spec")


def _job_spec(value: object) -> NoReturn:
    record(value, _JobSpec, {"iterations": _count}, required=("iterations",), accepts=_JOBS)
    _cluster("job_spec")


_READERS: dict[str, Callable[[Any], Any]] = {
    "executor": backend,
    "ports": published_ports,
    "public": flag,
    "env": environment,
    "env_file": _env_file,
    "mounts": mounts,
    "tmpfs": tmpfs,
    "cpus": lambda value: number(value, 0.01, 100_000, _CPUS),
    "memory": _memory,
    "shm_size": _shm_size,
    "pids_limit": lambda value: _count(value, _PIDS),
    "ulimits": ulimits,
    "devices": devices,
    "gpus": gpus,
    "network": networks,
    "name": lambda value: matching(value, _NAME_PATTERN, _NAME),
    "grace_seconds": lambda value: number(value, 0, 86_400, _GRACE),
    "interrupt": lambda value: matching(value, "host|guest", _INTERRUPT),
    "hardened": flag,
    "mount_source": flag,
    "debug": debug_port,
    "keep": flag,
    "detach": flag,
    "healthcheck": health_check,
    "restart": lambda value: matching(value, _RESTART_PATTERN, _RESTART),
    "wait_for": wait_for,
    "wait_seconds": lambda value: number(value, 0.001, 86_400, _WAIT),
    "call_timeout": call_timeout,
    "call_limit": parse_bytes,
    "call_format": lambda value: matching(value, "json|pickle", _FORMAT),
    "replicas": _replicas,
    "shard_spec": _shard_spec,
    "job_spec": _job_spec,
}
