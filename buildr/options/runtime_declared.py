"""The options of the run, each declared once.

Longer than 250 lines: a table with a row for each option.
"""

from __future__ import annotations

from functools import partial

from buildr.options import runtime_values as values
from buildr.options.declaration import ENGINE, KUBERNETES, QUADLET, Option
from buildr.options.devices import devices, gpus
from buildr.options.environment import environment
from buildr.options.health import health_check
from buildr.options.mounts import mounts
from buildr.options.networks import networks
from buildr.options.outputs import outputs
from buildr.options.package_values import backend
from buildr.options.ports import debug_port, published_ports
from buildr.options.size import parse_bytes
from buildr.options.tmpfs import tmpfs
from buildr.options.ulimits import ulimits
from buildr.options.values import flag
from buildr.options.wait_for import wait_for

__all__ = ["RUNTIME"]

_option = partial(Option, group="runtime")
_container = partial(
    _option,
    section="Container options",
    flag_set="container",
    runners=(ENGINE, QUADLET, KUBERNETES),
)
_local = partial(_container, runners=(ENGINE, QUADLET))
_limit = partial(_container, podman_run=True, confined=True)
_followed = partial(_container, runners=(ENGINE,))

_DECLARED = (
    _option(name="executor", read=backend, runners=(ENGINE,)),
    _container(
        name="ports",
        read=published_ports,
        form="structure",
        flags=("-p", "--port", "--publish"),
        repeatable=True,
        metavar="[HOST:]PORT",
        help="Publish a port on 127.0.0.1; repeatable. Also IP:HOST:PORT, ranges, and /udp at the end.",
    ),
    _local(
        name="public",
        read=flag,
        form="switch",
        aliases=("public_address",),
        flags=("--public",),
        help="Publish ports on every address of this machine.",
    ),
    _local(
        name="loopback_relay",
        read=flag,
        form="switch",
        flag_set="",
        confined=True,
    ),
    _container(
        name="env",
        read=environment,
        form="structure",
        flags=("-e", "--env"),
        repeatable=True,
        metavar="NAME[=VALUE]",
        help="Set a variable, or pass the value it has here; repeatable.",
    ),
    _container(
        name="env_file",
        read=values.env_file,
        form="text or structure",
        flags=("--env-file",),
        repeatable=True,
        metavar="FILE",
        help="Set the variables in a file (.env); --env takes precedence; repeatable.",
    ),
    _container(
        name="mounts",
        read=mounts,
        form="structure",
        flags=("-v", "--mount", "--volume"),
        repeatable=True,
        metavar="SRC:DEST[:ro]",
        help="Mount a directory or file (./data) or a volume (data); repeatable.",
    ),
    _container(
        name="tmpfs",
        read=tmpfs,
        form="structure",
        flags=("--tmpfs",),
        repeatable=True,
        metavar="DEST[:size=SIZE]",
        help="A directory in memory; repeatable.",
        confined=True,
    ),
    _followed(
        name="cache_home",
        read=flag,
        form="switch",
        flags=("--cache-home",),
        help="Keep the home directory for the project's next runs; `buildr prune --cache` removes it.",
        confined=True,
    ),
    _followed(
        name="outputs",
        flag_set="collected",
        read=outputs,
        form="text or structure",
        flags=("--output",),
        repeatable=True,
        metavar="PATTERN",
        help="Copy what the script has written there to the project when it ends, a folder or a pattern; repeatable.",
    ),
    _limit(
        name="cpus",
        read=values.cpus,
        form="number",
        flags=("--cpus",),
        metavar="NUMBER",
        help="How many CPUs it can use, such as 1.5.",
    ),
    _limit(
        name="memory",
        read=values.memory,
        flags=("--memory",),
        metavar="SIZE",
        help="How much memory it can use, such as 512m.",
    ),
    _limit(
        name="shm_size",
        read=values.shm_size,
        flags=("--shm-size",),
        metavar="SIZE",
        help="Size of /dev/shm.  [default: 64m]",
    ),
    _limit(
        name="pids_limit",
        runners=(ENGINE, QUADLET),
        read=values.pids_limit,
        form="integer",
        flags=("--pids-limit",),
        metavar="NUMBER",
        help="How many processes and threads it can have.  [default: 2048]",
    ),
    _limit(
        name="ulimits",
        runners=(ENGINE, QUADLET),
        read=ulimits,
        form="structure",
        flags=("--ulimit",),
        repeatable=True,
        metavar="NAME=SOFT[:HARD]",
        help="A limit of each process, such as nofile=1024:4096; repeatable.",
    ),
    _local(
        name="devices",
        read=devices,
        form="structure",
        flags=("--device",),
        repeatable=True,
        metavar="PATH",
        help="A device of this host, /dev/fuse, or a CDI name, vendor.com/class=name; repeatable.",
    ),
    _container(
        name="gpus",
        read=gpus,
        form="text or structure",
        flags=("--gpus",),
        metavar="all|NUMBER|device=ID,…",
        help="NVIDIA GPUs: all, a number of them, or a list.",
    ),
    _local(
        name="network",
        read=networks,
        form="text or structure",
        flags=("--network",),
        repeatable=True,
        metavar="NAME[:alias=X]",
        help="A network of the engine; none; or host, the network of this host; repeatable.",
    ),
    _container(
        name="name",
        read=values.name,
        flags=("--container-name",),
        metavar="NAME",
        help="Name of the container.  [default: the engine chooses]",
        confined=True,
    ),
    _container(
        name="grace_seconds",
        read=values.grace_seconds,
        form="number",
        flags=("--grace-seconds",),
        metavar="SECONDS",
        help="Time from Ctrl+C until it is killed.  [default: 10]",
        confined=True,
    ),
    _followed(
        name="interrupt",
        read=values.interrupt,
        flags=("--interrupt",),
        metavar="host|guest",
        help="Ctrl+C stops the container (host), or is passed to the script (guest).  [default: host]",
        confined=True,
    ),
    _followed(
        name="interrupt_status",
        read=values.interrupt_status,
        form="integer",
        flags=("--interrupt-status",),
        metavar="STATUS",
        help="Exit status after Ctrl+C, 130 for example.  [default: 0]",
        confined=True,
    ),
    _container(
        name="hardened",
        read=flag,
        form="switch",
        flags=("--hardened",),
        help="Drop all capabilities; root directory read-only.",
        confined=True,
    ),
    _followed(
        name="mount_source",
        read=flag,
        form="switch",
        flags=("--live",),
        decides_image=True,
        help="Mount the source instead of copying it: changes are visible at once, on both sides.",
    ),
    _followed(
        name="debug",
        read=debug_port,
        flags=("--debug",),
        metavar="[HOST:]PORT",
        decides_image=True,
        help="Wait for a debugger (debugpy) on a port of 127.0.0.1.",
    ),
    _followed(
        name="keep",
        read=flag,
        form="switch",
        flags=("--keep",),
        help="Keep the container if the script fails, and say how to inspect it.",
        confined=True,
    ),
    _followed(
        name="detach",
        read=flag,
        form="switch",
        flags=("-d", "--detach"),
        help="Start it, print the id of the run, and end: see buildr ps, logs and stop.",
        confined=True,
    ),
    _container(
        name="healthcheck",
        read=health_check,
        form="text or structure",
        flags=("--health-cmd",),
        metavar="COMMAND",
        help="A line for sh that ends with 0 while the container is healthy; run every 30 seconds.",
        confined=True,
    ),
    _container(
        name="restart",
        read=values.restart,
        flags=("--restart",),
        metavar="POLICY",
        help="With --detach: on-failure[:N], always or unless-stopped restarts it.  [default: no]",
    ),
    _followed(
        name="wait_for",
        read=wait_for,
        form="text or structure",
        flags=("--wait-for",),
        repeatable=True,
        metavar="CONDITION",
        help="With --detach: wait until port:N, http:N/path, log:REGEX or healthy; repeatable.",
        confined=True,
    ),
    _followed(
        name="wait_seconds",
        read=values.wait_seconds,
        form="number",
        flags=("--wait-seconds",),
        metavar="SECONDS",
        help="How long --wait-for waits before the container is removed.  [default: 60]",
        confined=True,
    ),
    _option(name="call_timeout", read=values.call_timeout, form="number", confined=True),
    _option(name="call_limit", read=parse_bytes),
    _option(name="call_format", read=values.call_format),
    _option(name="call_fresh", read=flag, form="switch", confined=True),
    _option(name="call_keep_seconds", read=values.call_keep_seconds, form="number", confined=True),
    _option(
        name="replicas", read=values.replicas, form="integer", runners=(KUBERNETES,), confined=True
    ),
    _option(name="shard_spec", read=values.shard_spec, form="structure", runners=(KUBERNETES,)),
    _option(name="job_spec", read=values.job_spec, form="structure", runners=(KUBERNETES,)),
)
RUNTIME = {option.name: option for option in _DECLARED}
"""By name."""
