"""The options of the run, ``runtime=``: as they are given, and validated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from buildr.options.devices import Gpus  # noqa: TC001 - Sphinx evaluates annotations
from buildr.options.health import HealthCheck  # noqa: TC001 - Sphinx evaluates annotations
from buildr.options.mounts import Mount  # noqa: TC001 - Sphinx evaluates annotations
from buildr.options.networks import Network  # noqa: TC001 - Sphinx evaluates annotations
from buildr.options.ports import Port  # noqa: TC001 - Sphinx evaluates annotations
from buildr.options.tmpfs import Tmpfs  # noqa: TC001 - Sphinx evaluates annotations
from buildr.options.ulimits import Ulimit  # noqa: TC001 - Sphinx evaluates annotations
from buildr.options.wait_for import Condition  # noqa: TC001 - Sphinx evaluates annotations

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

__all__ = ["Runtime", "RuntimeOptions"]


class RuntimeOptions(Struct, frozen=True, kw_only=True):
    """How the container runs. Every option can be omitted; `runtime_options` validates them.

    Attributes:
        executor: the backend that runs the container.
        ports: published ports: ``8080``, ``"8080:80"``, ``"127.0.0.1:8080:80/udp"``, ranges, or a dict
            ``{container: host}``.
        public: whether ports without an address are bound to every address of the host, rather than to 127.0.0.1.
        loopback_relay: whether connections to published ports are passed on to a server that listens on the container's 127.0.0.1 or
            ``::1`` alone, as many do by default; otherwise a line says that it cannot be reached. TCP only.
        env: environment variables; ``None`` as a value passes on the host's. Also a list, ``["NAME=value", "NAME"]``.
        env_file: files of variables (``.env``), one or a list; ``env`` takes precedence.
        mounts: ``"source:/target[:ro]"``, dicts, or `Mount` objects.
        tmpfs: directories in memory, ``"/target"`` or ``"/target:size=64m"``.
        cache_home: whether a volume of the project keeps the guest's home directory, with what matplotlib, Hugging Face or NLTK have
            downloaded to it; ``buildr prune --cache`` removes it.
        outputs: files below ``/app`` that are copied to the project when the run ends, whatever its status: ``"out/*.csv"``,
            ``"reports/**"``, one or a list. Never over a newer file.
        cpus: how many CPUs the container can use.
        memory: how much memory it can use, ``512m`` or a number of bytes.
        shm_size: the size of ``/dev/shm``, ``256m`` or a number of bytes; 64 MiB by default. It counts towards ``memory``.
        pids_limit: how many processes and threads it can have; 2048 by default, on Podman what ``containers.conf`` says.
        ulimits: limits of each process: ``{"nofile": 1024}``, ``{"nofile": [1024, 4096]}`` (soft, hard; -1 for none), or a list,
            ``["nofile=1024:4096"]``.
        devices: devices of this host: ``"/dev/fuse"``, ``"/dev/host:/dev/container:rwm"``, or a name of the Container Device
            Interface, ``"vendor.com/class=name"``.
        gpus: NVIDIA GPUs: ``"all"``, a number of them, or a list, ``["0", "GPU-…"]``.
        network: the name of a network of the engine; ``none``; or ``host``, the network of this host. Also a list of networks, each
            with names for the container in it, ``"backend:alias=db"``. By default a private one with access to the outside.
        name: the container's name; by default the engine chooses.
        grace_seconds: how long it has to end after a signal before it is killed.
        interrupt: what Ctrl+C is for: ``host`` stops the container, ``guest`` passes it to the script.
        interrupt_status: the exit status after Ctrl+C: 130 is what a shell takes for an interrupt, so that
            ``python app.py && deploy`` ends there.
        hardened: drop every capability and mount the root read-only.
        mount_source: mount the context itself at ``/app``, in place of a copy in the image: changes on either side are visible
            at once on the other, including ignored files and secrets.
        debug: where a debugger attaches, ``5678`` or ``"127.0.0.1:5678"``, 0 for any free port; the script waits for it, and
            debugpy is added to the image. Not for calls.
        keep: whether to keep the container of a script that fails, to inspect it. Not for calls.
        detach: whether the container runs in the background; the host process prints the run's id and ends with 0. It has no
            standard input, and stays until ``buildr stop``. Not for calls.
        healthcheck: a command that ends with 0 while the container is healthy: a line for ``sh``, a list of words, or a dict with
            ``command``, ``interval``, ``timeout``, ``start_period`` (seconds) and ``retries``. Podman runs it only where systemd
            runs.
        restart: whether the engine restarts a detached container that has ended: ``no``, ``on-failure``, ``on-failure:3`` (at most
            three times), ``always`` or ``unless-stopped``. Not for calls.
        wait_for: what ``detach`` waits for until the container counts as ready: ``"port:8080"`` (it accepts connections there),
            ``"http:8080/health"`` (it answers with a status from 200 to 399), ``"log:REGEX"`` (a line of its output) or
            ``"healthy"`` (its health check); one or a list. Ports are those of the container, and have to be published.
        wait_seconds: how long that can take; after that, or if the script ends before, the container is removed.
        call_timeout: how many seconds a call by ``.remote`` or ``.map`` can run, without the build.
        call_limit: how large its arguments can be, and its result: ``16m`` or a number of bytes.
        call_format: how these travel: ``json``, or ``pickle``, which lets the container run code on the host.
        call_fresh: whether each call gets a container of its own. Otherwise a container stays for further calls of the function.
        call_keep_seconds: how long such a container stays without a call.
        replicas: the number of instances; one engine runs one.
        shard_spec: for clusters; refused on one engine.
        job_spec: for clusters; refused on one engine.
    """

    executor: str | None = None
    ports: Sequence[int | str | Port] | Mapping[Any, int | str | None] = ()
    public: bool = False
    loopback_relay: bool = True
    env: Mapping[str, str | None] | Sequence[str] = {}
    env_file: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = ()
    mounts: Sequence[str | Mount | Mapping[str, Any]] = ()
    tmpfs: Sequence[str | Tmpfs | Mapping[str, Any]] = ()
    cache_home: bool = False
    outputs: str | Sequence[str] = ()
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
    interrupt_status: int = 0
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
    call_fresh: bool = False
    call_keep_seconds: float = 60
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
    outputs: tuple[str, ...] = ()
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
