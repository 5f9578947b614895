"""The records of the interface between Buildr and an engine: requests, answers and progress; all are frozen.

Sizes are bytes and durations seconds. An image id is ``sha256:`` and 64 hexadecimal digits; a container id is 64
hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from buildr.engines.container_spec import Port


_ID_DIGITS = 12
"""The number of digits of an id that are shown to users."""


def short_id(found: str) -> str:
    """Return the short form of the id of an image, a container or a run."""
    return found.removeprefix("sha256:")[:_ID_DIGITS]


class Target(Struct, frozen=True, kw_only=True):
    """The engine to which a backend connects."""

    endpoint: str | None = None
    """A URL such as ``unix:///run/podman/podman.sock``; ``None``: the same places as the engine's own command."""
    deadline: float | None = None
    """The deadline, on the clock of `time.monotonic`; ``None``: the backend's own limit."""


class Builder(Struct, frozen=True, kw_only=True):
    """How an engine builds a user's own Containerfile."""

    name: str = ""
    """The name of the builder, for messages; empty: the engine's name."""
    lacks: Mapping[str, str] = {}
    """Features that it lacks, as in `buildr.plan.dockerfile.needs`, each with the first engine version that has it."""
    frontends: bool = False
    """Whether it pulls the frontend of a line ``# syntax=``, which may support more."""
    all_stages: bool = False
    """Whether it builds all stages, not only those that the last one needs."""


class EngineInfo(Struct, frozen=True, kw_only=True):
    """What is known about an engine once it has answered.

    The facts that have a default need not be given; then Buildr does what is right for an engine that it does not know.
    """

    backend: str
    """The backend's name, as its entry point has it: ``podman``, ``docker``."""
    version: str
    rootless: bool
    remote: bool
    """Whether the engine runs on another machine, a virtual one on this host included: no bind mounts then."""
    endpoint: str
    found: str
    """Why this endpoint was chosen, for users, such as ``a transient service, as no socket answered``."""
    plaintext: bool = False
    """Whether the connection is TCP without TLS: then no build secrets and logins are sent."""
    forwards_ports: bool = False
    """Whether the published ports of an engine on another machine are reached at 127.0.0.1 of this one."""
    routed: bool = False
    """Whether its host routes packets to the containers' addresses: if the host forwards packets, other machines
    reach published ports there, regardless of the host address to which they are bound.
    """
    command: str = ""
    """The engine's own command, for hints such as ``podman cp …``; empty: none. It supports the subcommands that
    ``podman`` and ``docker`` share.
    """
    shared: bool = True
    """Whether other users may have images on the engine: then clean-up is limited to images that certainly belong to
    this user.
    """
    daemonless: bool = False
    """Whether its containers are processes of this user, so that ``buildr doctor`` checks what they need on this
    machine.
    """
    network_program: str = ""
    """The network program for rootless containers of a daemonless engine: ``pasta``, ``slirp4netns``; empty: unknown."""
    health_on_request: bool = False
    """Whether a health check runs only when `buildr.engines.containers.Containers.health` is called."""
    proxies: Literal["environment", "docker"] = "environment"
    """The source of proxies for its builds: the environment and containers.conf(5), or Docker's ``config.json``."""
    builder: Builder = Builder()
    """How it builds a user's own Containerfile."""


class EngineDetails(Struct, frozen=True, kw_only=True):
    """Further facts for ``buildr doctor``; empty if the engine does not report them."""

    storage_driver: str = ""
    cgroup_version: str = ""
    oci_runtime: str = ""
    network: str = ""
    kernel: str = ""
    user_ids: int = 0
    """The number of user ids of its containers; 1 if a rootless user has no subordinate ids; 0: unknown."""
    configuration: Literal["", "containers", "docker"] = ""
    """The kind of its configuration files: containers.conf(5) and containers-storage.conf(5), or Docker's
    ``daemon.json``; empty: others.
    """


class Event(Struct, frozen=True, kw_only=True):
    """One piece of progress of a pull, a build or a push."""

    kind: Literal["step", "log", "image", "upload", "transfer"]
    """``step``: a build step begins; ``log``: output of a step; ``image``: a step has made an image, and the text is
    its id or a prefix; ``upload``: sending the context to the engine; ``transfer``: layers between engine and
    registry.
    """
    text: str = ""
    current: int = 0
    """Bytes so far, with ``upload`` and ``transfer``; the number of the step with ``step``."""
    total: int = 0
    """The total number of bytes or steps; 0: unknown."""


OnEvent: TypeAlias = Callable[[Event], None]


class Image(Struct, frozen=True, kw_only=True):
    """A stored image."""

    id: str
    tags: tuple[str, ...] = ()
    """Its names, each ``repository:tag``."""
    labels: Mapping[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    """``NAME=value`` each."""
    user: str = ""
    workdir: str = ""
    volumes: tuple[str, ...] = ()
    """Paths at which each container gets an anonymous volume."""
    layers: int = 0
    """The number of layers; 0: unknown, as in lists."""
    triggers: tuple[str, ...] = ()
    """Instructions for every build on top of it (``ONBUILD``)."""
    size: int = 0
    digests: tuple[str, ...] = ()
    """Under which registries have it, ``repository@sha256:…`` each."""
    diff_ids: tuple[str, ...] = ()
    """The digests of the uncompressed layers, the lowest first; empty: unknown, as in lists."""


class BuildSecrets(Struct, frozen=True):
    """Secrets for build steps that request them (``RUN --mount=type=secret``)."""

    values: Mapping[str, bytes] = {}
    """Values by id."""

    def __repr__(self) -> str:
        """Show no value."""
        return f"BuildSecrets({', '.join(sorted(self.values))})"


class BuildRequest(Struct, frozen=True, kw_only=True):
    """A build. The base image must already be stored, except for further images of a user's own Containerfile."""

    context: Iterable[bytes]
    """A tar stream; consumed once. A `buildr.archive.archive.Archive` also provides single files."""
    containerfile: str
    """The path of the Containerfile in the tar stream."""
    labels: Mapping[str, str] = {}
    """Labels in addition to those of the Containerfile; engines make a step of each."""
    tags: tuple[str, ...] = ()
    cache: bool = True
    """Whether layers of earlier builds may be used."""
    own: bool = False
    """Whether the Containerfile is a user's own, which may use all features of the engine's best builder."""
    secrets: BuildSecrets = BuildSecrets()


class Layer(Struct, frozen=True, kw_only=True):
    """A layer of an image."""

    content: Iterable[bytes]
    """An uncompressed tar stream; consumed once."""
    size: int
    """The length of the stream in bytes."""
    created_by: str
    """How it was made, for the image's history."""
    labels: Mapping[str, str] = {}
    """Labels of the new image, in addition to those of the image below."""


class PushRequest(Struct, frozen=True, kw_only=True):
    """A push of a stored image to a full reference ``registry/path:tag``."""

    image: str
    reference: str


class CommandSpec(Struct, frozen=True, kw_only=True):
    """A command in a running container. Fields that are ``None`` or empty are taken from the container."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = {}
    """Variables in addition to the container's own."""
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
    """Bytes; ``None`` if the engine does not report it."""


class ContainerState(Struct, frozen=True, kw_only=True):
    """The current state of a container."""

    id: str
    status: str
    """The engine's term: ``created``, ``running``, ``exited``, …"""
    running: bool
    started: bool | None = None
    """Whether it has ever been started; ``None``: unknown, as in lists."""
    exit_code: int | None
    """``None`` until the container has ended."""
    error: str = ""
    """The engine's message about a failed start."""
    labels: Mapping[str, str] = {}
    name: str = ""
    image: str = ""
    """The id of its image; empty if the engine does not report it."""
    ports: tuple[Port, ...] = ()
    """Bound ports, with the host ports that the engine chose."""


Health: TypeAlias = Literal["", "starting", "healthy", "unhealthy"]
"""The health of a container as reported by the engine; empty: there is no health check."""
