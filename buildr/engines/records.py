"""The records that cross the interface between Buildr and an engine: requests, answers and progress; all are frozen.

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
"""Digits of an id as it is shown to users."""


def short_id(found: str) -> str:
    """Return the id of an image, a container or a run as it is shown to users."""
    return found.removeprefix("sha256:")[:_ID_DIGITS]


class Target(Struct, frozen=True, kw_only=True):
    """Which engine a backend is to reach."""

    endpoint: str | None = None
    """A URL such as ``unix:///run/podman/podman.sock``; ``None``: look where the engine's own command looks."""
    deadline: float | None = None
    """When it must have been reached, on the clock of `time.monotonic`; ``None``: within the backend's own limit."""


class Builder(Struct, frozen=True, kw_only=True):
    """How an engine builds a user's own Containerfile."""

    name: str = ""
    """Name of the builder, for messages; empty: the engine's name serves."""
    lacks: Mapping[str, str] = {}
    """Features that it lacks, as `buildr.plan.dockerfile.needs` names them, each with the first version of the engine that has it."""
    frontends: bool = False
    """Whether it fetches the builder that a line ``# syntax=`` names, which may support more."""
    all_stages: bool = False
    """Whether it builds all stages, not only those that the last one is made of."""


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
    """Why this endpoint was chosen, for users, e.g. ``a transient service, as no socket answered``."""
    plaintext: bool = False
    """Whether what is sent to it is not encrypted on its way, over TCP without TLS: no build secrets and logins then."""
    forwards_ports: bool = False
    """Whether the published ports of an engine on another machine are reached at 127.0.0.1 of this one."""
    routed: bool = False
    """Whether its host routes packets to the containers' own addresses: where that host forwards, other machines reach a published
    port there, whatever address of the host it is bound to."""
    command: str = ""
    """The engine's own command, for hints such as ``podman cp …``; empty: no hint names one. It takes the words that
    ``podman`` and ``docker`` have in common."""
    shared: bool = True
    """Whether other users may have images on the engine: then only those that are certainly this user's are cleaned up."""
    daemonless: bool = False
    """Whether its containers are processes of this user, so that what they need of this machine is checked by ``buildr doctor``."""
    network_program: str = ""
    """What connects rootless containers of a daemonless engine to the network: ``pasta``, ``slirp4netns``; empty: not known."""
    health_on_request: bool = False
    """Whether a health check runs only when `buildr.engines.containers.Containers.health` is called."""
    proxies: Literal["environment", "docker"] = "environment"
    """Where its builds get their proxies from: the environment and containers.conf(5), or Docker's ``config.json``."""
    builder: Builder = Builder()
    """How it builds a user's own Containerfile."""


class EngineDetails(Struct, frozen=True, kw_only=True):
    """What ``buildr doctor`` shows beyond `EngineInfo`; empty where the engine does not report it."""

    storage_driver: str = ""
    cgroup_version: str = ""
    oci_runtime: str = ""
    network: str = ""
    kernel: str = ""
    user_ids: int = 0
    """How many user ids its containers have; 1 where a rootless user has no subordinate ids; 0: not known."""
    configuration: Literal["", "containers", "docker"] = ""
    """Which files configure it: those of containers.conf(5) and containers-storage.conf(5), or Docker's ``daemon.json``;
    empty: others."""


class Event(Struct, frozen=True, kw_only=True):
    """One piece of progress of a pull, a build or a push."""

    kind: Literal["step", "log", "image", "upload", "transfer"]
    """``step``: a build step begins; ``log``: output of a step; ``image``: a step has made one, and the text is its id, or
    the beginning of it; ``upload``: the context on its way to the engine; ``transfer``: layers between engine and registry."""
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
    """Paths for which each container gets a volume of its own."""
    layers: int = 0
    """How many layers it has; 0: not known, as in lists."""
    triggers: tuple[str, ...] = ()
    """Instructions that every build on top of it runs (``ONBUILD``)."""
    size: int = 0


class BuildSecrets(Struct, frozen=True):
    """Secrets that only the build steps that ask for them can see (``RUN --mount=type=secret``)."""

    values: Mapping[str, bytes] = {}
    """Values by id."""

    def __repr__(self) -> str:
        """Show no value."""
        return f"BuildSecrets({', '.join(sorted(self.values))})"


class BuildRequest(Struct, frozen=True, kw_only=True):
    """A build. The base image must be stored already: only a user's own Containerfile may need another, too."""

    context: Iterable[bytes]
    """A tar stream; consumed once, sent as it comes. A `buildr.archive.archive.Archive` can also be asked for its files."""
    containerfile: str
    """Path of the Containerfile inside the tar stream."""
    labels: Mapping[str, str] = {}
    """Labels beyond those that the Containerfile sets; engines make a step of each."""
    tags: tuple[str, ...] = ()
    cache: bool = True
    """Whether layers of earlier builds may be used."""
    own: bool = False
    """Whether the Containerfile is a user's own, which may use everything that the engine's best builder supports."""
    secrets: BuildSecrets = BuildSecrets()


class Layer(Struct, frozen=True, kw_only=True):
    """A layer of an image."""

    content: Iterable[bytes]
    """A tar stream, not compressed; consumed once, sent as it comes."""
    size: int
    """Bytes of the whole stream."""
    created_by: str
    """How it was made, for the image's history."""
    labels: Mapping[str, str] = {}
    """Labels of the new image, beyond those of the image below."""


class PushRequest(Struct, frozen=True, kw_only=True):
    """A push of a stored image under a full reference ``registry/path:tag``."""

    image: str
    reference: str


class CommandSpec(Struct, frozen=True, kw_only=True):
    """One more command in a running container. What is ``None`` or empty is taken from the container."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = {}
    """Variables beyond the container's own."""
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
    """A container as the engine sees it now."""

    id: str
    status: str
    """The engine's term: ``created``, ``running``, ``exited``, …"""
    running: bool
    started: bool | None = None
    """Whether it has ever been started; ``None``: not known, as in lists."""
    exit_code: int | None
    """``None`` until the container has ended."""
    error: str = ""
    """Why it could not start, in the engine's words."""
    labels: Mapping[str, str] = {}
    name: str = ""
    image: str = ""
    """The id of its image; empty if the engine does not report it."""
    ports: tuple[Port, ...] = ()
    """Ports as they are bound now, with the host ports that the engine chose."""


Health: TypeAlias = Literal["", "starting", "healthy", "unhealthy"]
"""What an engine reports about a container's health; empty: there is no health check."""
