"""The interface between Buildr and an engine: one narrow protocol, frozen records on both sides.

A backend is the adapter to one engine. It is found through the entry-point group ``buildr.backends``: the
entry point names a function ``connect(Target) -> Backend``, which reaches the engine or raises one of the
errors below `buildr.errors.BackendError`. No exception and no object of an engine's own client passes this line.

Sizes are bytes and durations seconds everywhere. An image id is ``sha256:`` and 64 hexadecimal digits;
a container id is 64 hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

STDIN, STDOUT, STDERR = 0, 1, 2

Output: TypeAlias = Sequence[tuple[int, memoryview]]
"""Pieces of output, each with its stream: `STDOUT` or `STDERR`."""


class Target(Struct, frozen=True, kw_only=True):
    """Which engine a backend shall reach."""

    endpoint: str | None = None
    """A URL such as ``unix:///run/podman/podman.sock``; ``None``: look where the engine's own command looks."""
    deadline: float | None = None
    """When it must have been reached, on the clock of `time.monotonic`; ``None``: within the backend's own bound."""


class EngineInfo(Struct, frozen=True, kw_only=True):
    """What is known of an engine once it has answered."""

    backend: str
    """The backend's name: ``podman``, ``docker``."""
    version: str
    rootless: bool
    remote: bool
    """Whether the engine sees another file system than this process: no bind mounts then."""
    endpoint: str
    found: str
    """Why this endpoint: for people, e.g. ``a transient service, as no socket answered``."""


class EngineDetails(Struct, frozen=True, kw_only=True):
    """What ``buildr doctor`` shows beyond `EngineInfo`; empty where the engine does not tell."""

    storage_driver: str = ""
    cgroup_version: str = ""
    oci_runtime: str = ""
    network: str = ""
    kernel: str = ""
    user_ids: int = 0
    """How many user ids its containers have; 1 where a rootless user has no subordinate ids; 0: not known."""


class Event(Struct, frozen=True, kw_only=True):
    """One piece of progress of a pull, a build or a push."""

    kind: Literal["step", "log", "image", "upload", "transfer"]
    """``step``: a build step begins; ``log``: output of a step; ``image``: a step has made one, and the text is its id, or
    how that begins; ``upload``: the context on its way to the engine; ``transfer``: layers between engine and registry."""
    text: str = ""
    current: int = 0
    """Bytes so far, with ``upload`` and ``transfer``; the number of the step with ``step``."""
    total: int = 0
    """Bytes in all, or steps in all; 0: not known."""


OnEvent: TypeAlias = Callable[[Event], None]


class Image(Struct, frozen=True, kw_only=True):
    """An image that an engine stores."""

    id: str
    tags: tuple[str, ...] = ()
    """Its names, ``repository:tag`` each."""
    labels: Mapping[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    """``NAME=value`` each."""
    user: str = ""
    workdir: str = ""
    volumes: tuple[str, ...] = ()
    """Paths that each container gets a volume of its own for."""
    size: int = 0


class BuildRequest(Struct, frozen=True, kw_only=True):
    """A build. The base image must be stored already: a build never pulls."""

    context: Iterable[bytes]
    """A tar stream; consumed once, sent as it comes."""
    containerfile: str
    """Path of the Containerfile inside the tar stream."""
    labels: Mapping[str, str] = {}
    """Beyond those that the Containerfile sets; engines make a step of each."""
    tags: tuple[str, ...] = ()
    cache: bool = True
    """Whether layers of earlier builds may be used."""


class Layer(Struct, frozen=True, kw_only=True):
    """A layer of an image."""

    content: Iterable[bytes]
    """A tar stream, not compressed; consumed once, sent as it comes."""
    size: int
    """Bytes of the whole stream."""
    created_by: str
    """What made it, for the image's history."""
    labels: Mapping[str, str] = {}
    """Of the new image, beyond those of the image below."""


class PushRequest(Struct, frozen=True, kw_only=True):
    """A push of a stored image under a full reference ``registry/path:tag``."""

    image: str
    reference: str


class PortBinding(Struct, frozen=True, kw_only=True):
    """A published port."""

    host_ip: str
    host: int
    """0: the engine chooses."""
    container: int
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"


class MountSpec(Struct, frozen=True, kw_only=True):
    """A directory or file of the host, or a named volume, inside the container."""

    kind: Literal["bind", "volume"]
    source: str
    """An absolute path, or a volume's name."""
    target: str
    read_only: bool = False
    relabel: Literal["", "z", "Z"] = ""
    """SELinux label: shared or private."""


class TmpfsSpec(Struct, frozen=True, kw_only=True):
    """A directory in memory, empty at first.

    Anybody in the container may write to it, unless the image has a directory there: then that one's permissions hold.
    """

    target: str
    size: int | None = None
    """Bytes; ``None``: the kernel's default."""


_TMPFS = ("rw", "nosuid", "nodev", "noexec", "mode=1777")
"""How directories in memory are mounted; all said, as the engines' defaults differ."""


class NetworkSpec(Struct, frozen=True, kw_only=True):
    """A network that the container joins."""

    name: str
    aliases: tuple[str, ...] = ()
    """Further names by which others in it find the container."""


class DeviceSpec(Struct, frozen=True, kw_only=True):
    """A device of the host."""

    host: str
    """An absolute path; or a name of the Container Device Interface, ``vendor.com/class=name``."""
    container: str = ""
    """An absolute path; empty for a name."""
    access: str = "rwm"
    """Of ``r``, ``w``, and ``m`` for making nodes."""


class UlimitSpec(Struct, frozen=True, kw_only=True):
    """A limit of each process, as in setrlimit(2)."""

    name: str
    """``nofile`` for ``RLIMIT_NOFILE``."""
    soft: int
    """-1: no limit."""
    hard: int


class HealthSpec(Struct, frozen=True, kw_only=True):
    """A command that an engine runs in a container to see whether it is well."""

    test: tuple[str, ...]
    """``CMD`` and words, or ``CMD-SHELL`` and a line for ``sh``, in the words of both engines."""
    interval: float = 30
    """Seconds from one to the next."""
    timeout: float = 30
    """Seconds that one may take."""
    retries: int = 3
    start_period: float = 0
    """Seconds in which failures do not count."""


class ContainerSpec(Struct, frozen=True, kw_only=True):
    """A container to create. What is ``None`` or empty is left as the image has it."""

    image: str
    command: tuple[str, ...] = ()
    """In place of the image's CMD; its ENTRYPOINT stays."""
    entrypoint: tuple[str, ...] = ()
    """In place of the image's ENTRYPOINT; with a `command`."""
    environment: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    name: str | None = None
    workdir: str | None = None
    user: str | None = None
    tty: bool = False
    stdin: bool = True
    """Whether it takes input; without, its standard input is ``/dev/null``."""
    ports: tuple[PortBinding, ...] = ()
    mounts: tuple[MountSpec, ...] = ()
    tmpfs: tuple[TmpfsSpec, ...] = ()
    cpus: float | None = None
    memory: int | None = None
    """Bytes."""
    shm_size: int | None = None
    """Bytes of ``/dev/shm``; ``None``: 64 MiB."""
    pids_limit: int | None = None
    """Processes and threads."""
    ulimits: tuple[UlimitSpec, ...] = ()
    devices: tuple[DeviceSpec, ...] = ()
    gpus: int | tuple[str, ...] | None = None
    """How many GPUs, -1 for all; or which, by number or UUID."""
    networks: tuple[NetworkSpec, ...] = ()
    """One of them named ``none`` or ``host``, and alone, is that mode; none at all: the engine's default, a private one."""
    health: HealthSpec | None = None
    """``None``: what the image has."""
    restart: str = "no"
    """Whether the engine starts it again when it has ended: ``no``, ``always``, ``unless-stopped``, ``on-failure``, or with the
    most times that it does, ``on-failure:3``."""
    grace_seconds: float = 10
    """Between the engine's SIGTERM and its SIGKILL, when the engine itself stops the container."""
    logged: bool = True
    """Whether the engine keeps what it writes; without, it need not write all of it to a disk."""
    hardened: bool = False
    """Drop every capability and mount the root read-only, ``/tmp`` and the home as tmpfs."""
    home: str = ""
    """The guest's home directory, for `hardened`."""
    image_variables: tuple[str, ...] | None = None
    """Names of the variables that the image sets, where they are known: they spare a backend that needs them a look."""


def tmpfs_options(spec: ContainerSpec) -> dict[str, list[str]]:
    """Return the directories in memory, each with its options: those asked for, and what a hardened container needs.

    The latter are ``/tmp`` and the home directory, where nothing is mounted anyway.
    """
    found = {
        item.target: [*_TMPFS, *([] if item.size is None else [f"size={item.size}"])]
        for item in spec.tmpfs
    }
    if spec.hardened:
        mounted = {mount.target for mount in spec.mounts}
        for path in ("/tmp", spec.home):  # noqa: S108 - inside the container
            if path and path not in mounted:
                found.setdefault(path, list(_TMPFS))
    return found


def health_config(health: HealthSpec) -> dict[str, object]:
    """Return a health check as both engines take it: times are in nanoseconds, and all are said, as Podman has no defaults here."""
    return {
        "Test": list(health.test),
        "Interval": round(health.interval * 1e9),
        "Timeout": round(health.timeout * 1e9),
        "Retries": health.retries,
        "StartPeriod": round(health.start_period * 1e9),
    }


def restart_policy(spec: ContainerSpec) -> tuple[str, int]:
    """Return the name of a container's restart policy, and how often it may be started again; 0: as often as it takes."""
    name, _, tries = spec.restart.partition(":")
    return name, int(tries or 0)


class CommandSpec(Struct, frozen=True, kw_only=True):
    """One more command in a running container. What is ``None`` or empty is as the container has it."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = {}
    """Beyond the container's own."""
    workdir: str | None = None
    user: str | None = None
    tty: bool = False
    stdin: bool = True
    """Whether it takes input."""


class Volume(Struct, frozen=True, kw_only=True):
    """A named volume."""

    name: str
    labels: Mapping[str, str] = {}
    size: int | None = None
    """Bytes; ``None`` where the engine does not tell."""


class ContainerState(Struct, frozen=True, kw_only=True):
    """A container as the engine sees it now."""

    id: str
    status: str
    """The engine's word: ``created``, ``running``, ``exited``, …"""
    running: bool
    started: bool | None = None
    """Whether it has been started ever; ``None``: not told, as by lists."""
    exit_code: int | None
    """``None`` until the container has ended."""
    error: str = ""
    """Why it could not start, in the engine's words."""
    labels: Mapping[str, str] = {}
    ports: tuple[PortBinding, ...] = ()
    """As they are bound now, with the host ports that the engine chose."""


Health: TypeAlias = Literal["", "starting", "healthy", "unhealthy"]
"""What an engine says of a container's health; empty: there is no health check."""


class Attachment(Protocol):
    """The three standard streams of a container, attached before its start.

    `read` belongs to one thread and the writing methods to one other.
    """

    def read(self) -> Output:
        """Wait for output.

        Returns:
            Pieces in the order in which they came, valid until the next call; empty at the end of the streams.

        Raises:
            EngineLostError: the stream broke off inside a frame, or is none.
        """
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Send standard input.

        Raises:
            EngineLostError: nobody reads it any more.
        """
        ...

    def close_write(self) -> None:
        """End the guest's standard input; its output goes on."""
        ...

    def close(self) -> None:
        """Let go; the container is not touched. May be called twice, and from any thread to end a `read`."""
        ...


class Execution(Attachment, Protocol):
    """A command that has been started in a running container: its streams, and what is left to know of it."""

    def status(self) -> int | None:
        """Return the exit status, 128 + n when signal n killed it; ``None`` until it has ended.

        Raises:
            EngineError: the engine does not know it any more, as its container has gone.
        """
        ...

    def kill(self, signal: int) -> None:
        """Send a signal to the command; one that has ended already is fine. SIGKILL also takes what it has started."""
        ...

    def resize(self, *, rows: int, columns: int) -> None:
        """Tell the command's terminal its size; one that has ended already is fine."""
        ...


class Backend(Protocol):
    """An engine, reached.

    Every method may raise `EngineLostError` (the connection broke), `EngineUnavailableError` (no answer) and
    `EngineError` (the engine refused). Methods may be called from several threads.
    """

    @property
    def info(self) -> EngineInfo:
        """What the engine said of itself when it was reached; costs no request."""
        ...

    def details(self) -> EngineDetails:
        """Ask for what `doctor` shows."""
        ...

    def ping(self) -> None:
        """Return when the engine answers."""
        ...

    # Images ---------------------------------------------------------------------------------------

    def image(self, reference: str) -> Image | None:
        """Look up a stored image by reference or id; ``None`` when it is not stored."""
        ...

    def images(self, labels: Mapping[str, str]) -> Sequence[Image]:
        """List stored images that carry all these labels, newest first (without their configuration)."""
        ...

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """Fetch an image from its registry.

        Raises:
            ImageNotFoundError: the registry does not have it, refuses, or cannot be reached.
        """
        ...

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """Build an image; return its id.

        Raises:
            BuildError: a step failed; nothing of the build is left behind but the cache.
        """
        ...

    def appends(self) -> bool:
        """Whether `append` can be tried: not all engines take a layer without those below it."""
        ...

    def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
        """Make an image from a stored one with one layer more, without a build; return its id.

        All else is as in the image below.

        Raises:
            EngineError: the engine does not take it; nothing has changed.
        """
        ...

    def left_builds(self) -> Sequence[str]:
        """List this user's builds that go on though their host processes are certainly gone, as far as that can be told."""
        ...

    def end_build(self, build: str) -> None:
        """End a build that `left_builds` has listed, and remove what it works in; one that has ended is fine."""
        ...

    def tag(self, image: str, reference: str) -> None:
        """Give a stored image one more name."""
        ...

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """Push; return the digest under which the registry has it, or an empty text when it is not told.

        Raises:
            PushError: the registry refused or cannot be reached.
        """
        ...

    def remove_image(self, image: str) -> None:
        """Remove an image and its names; an absent one is fine.

        Raises:
            EngineError: a container uses it.
        """
        ...

    def save(self, image: str) -> Iterator[bytes]:
        """Stream a stored image as an archive of the ``docker save`` kind."""
        ...

    def load(self, archive: Iterable[bytes], reference: str) -> Image:
        """Store the image of an archive of the ``docker save`` kind, under the one name that it has there.

        Raises:
            EngineError: the engine does not take it.
        """
        ...

    # Containers -----------------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> str:
        """Create a container; return its id.

        Raises:
            ImageNotFoundError: the image is not stored (any more).
            ContainerError: the specification cannot be met.
        """
        ...

    def attach(self, container: str, *, tty: bool) -> Attachment:
        """Attach to all three streams of a created container.

        Raises:
            ContainerError: it cannot start, as with `start`: some engines do part of that here.
        """
        ...

    def start(self, container: str) -> None:
        """Start a created container.

        Raises:
            CommandNotFoundError: its command is not there.
            NotExecutableError: its command cannot be executed.
            ContainerError: it cannot start, e.g. since a port is taken.
        """
        ...

    def wait(self, container: str) -> int:
        """Wait for the end of a *started* container; return its exit status, 128 + n when signal n killed it."""
        ...

    def state(self, container: str) -> ContainerState | None:
        """Look at a container; ``None`` when there is none."""
        ...

    def health(self, container: str) -> Health:
        """Look how a container is; empty where it has no health check, or is none.

        Docker tells what its last check came to; Podman runs the check, since without systemd nobody else does.
        """
        ...

    def kill(self, container: str, signal: int) -> None:
        """Send a signal to the container's first process; one that has ended already is fine."""
        ...

    def processes(self, container: str) -> int:
        """Count the processes in a container; 0 when it does not run."""
        ...

    def resize(self, container: str, *, rows: int, columns: int) -> None:
        """Tell a container's terminal its size; one that has ended already is fine."""
        ...

    def remove(self, container: str) -> None:
        """Kill and remove a container with its anonymous volumes; an absent one is fine."""
        ...

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """List containers, ended ones too, that carry all these labels; an empty value matches any."""
        ...

    def put_archive(self, container: str, path: str, tar: bytes) -> None:
        """Unpack a tar archive into an existing directory of a container."""
        ...

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """Stream a path of a container as a tar archive."""
        ...

    def logs(self, container: str, *, follow: bool = False, tail: int | None = None) -> Attachment:
        """Read what the container has written so far; go on with what comes if ``follow``.

        Args:
            container: its id.
            follow: whether to wait for more.
            tail: how many of the last lines are enough; ``None``: all of it.
        """
        ...

    def execute(self, container: str, spec: CommandSpec) -> Execution:
        """Start one more command in a running container, attached to all three streams.

        A command that is not there is known only when the engine has tried: then `Attachment.read` of what this
        returns raises as `start` does.

        Raises:
            CommandNotFoundError: the command is not there.
            NotExecutableError: the command cannot be executed.
            ContainerError: it cannot be started, e.g. since the container does not run.
        """
        ...

    # Volumes --------------------------------------------------------------------------------------

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume; one that is there stays as it is.

        Raises:
            EngineError: the engine has no volumes, or refuses.
        """
        ...

    def volumes(self, labels: Mapping[str, str], *, sizes: bool = False) -> Sequence[Volume]:
        """List the volumes that carry all these labels.

        Args:
            labels: an empty value matches any.
            sizes: whether to ask how large they are, which may take seconds.
        """
        ...

    def remove_volume(self, name: str) -> None:
        """Remove a volume and what is in it; an absent one is fine.

        Raises:
            EngineError: a container uses it.
        """
        ...

    # ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connections. May be called twice."""
        ...


Connect: TypeAlias = Callable[[Target], Backend]
"""What an entry point in the group ``buildr.backends`` names."""
