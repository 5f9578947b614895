"""What ``import buildr`` means inside a container: the public names, doing as little as possible.

In the image this file is the package's ``__init__.py``. The script imports the same names as on the host; here
the decorated function simply runs, and options are taken as they come, since the host has validated them.
"""

from __future__ import annotations

# Importing typing would cost more than all the rest; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from buildr._version import __version__
    from buildr.errors import BuildrError

__all__ = [
    "BuildSecret",
    "BuildrError",
    "Containerize",
    "Containerized",
    "Mount",
    "PackageFile",
    "PackageOptions",
    "Port",
    "RuntimeOptions",
    "Tmpfs",
    "__version__",
    "is_in_docker_container",
]


class _Options(object):
    """Options as given, to be read as on the host; defaults are attributes of the class."""

    _order: tuple[str, ...] = ()  # of what may be given without a name

    def __init__(self, *values: object, **options: object) -> None:
        self.__dict__.update(zip(self._order, values), **options)  # noqa: B905 - `strict` came with 3.10


class PackageFile(_Options):
    """A file beyond the context."""

    _order = ("src", "dest", "mode")
    mode = None


class Mount(_Options):
    """A directory of the host in the container."""

    _order = ("source", "target", "read_only", "relabel")
    read_only = False
    relabel = ""


class Port(_Options):
    """A port that the host publishes."""

    _order = ("host_ip", "host", "container", "protocol")
    protocol = "tcp"


class BuildSecret(_Options):
    """A secret of the installation."""

    _order = ("id", "src", "env")
    src = None
    env = None


class Tmpfs(_Options):
    """A directory in memory."""

    _order = ("target", "size")
    size = None


class PackageOptions(_Options):
    """How the image is built."""

    repository = name = py_version = variant = base_image = dockerfile = None
    dependencies_file = dependencies = member = context = user = builder = None
    tag = "latest"
    publish = pull = verbose = quiet = include_secrets = wheel_cache = False
    additional_files = secrets = extras = groups = system_packages = ()


class RuntimeOptions(_Options):
    """How the container runs."""

    executor = cpus = memory = shm_size = pids_limit = gpus = name = debug = shard_spec = (
        job_spec
    ) = None
    ports = mounts = env_file = tmpfs = ulimits = devices = network = wait_for = ()
    env: dict[str, str] = {}  # noqa: RUF012 - nobody writes to it
    public = hardened = mount_source = keep = detach = False
    grace_seconds = 10
    interrupt = "host"
    call_timeout = None
    call_limit = "16m"
    call_format = "json"
    healthcheck = None
    restart = "no"
    wait_seconds = 60
    replicas = 1


class Containerized(object):
    """The type of a decorated function on the host, for annotations; here it stays a plain function."""

    def __class_getitem__(cls, _parameters: object) -> type:
        return cls


def Containerize(function=None, **options):  # type: ignore[no-untyped-def]  # noqa: N802 - its name is the host's, its types are checked there
    """Leave the function as it is: this is the container it was to run in."""
    if function is None:
        return Containerize
    try:
        function.local = function.remote = function
        function.cancel = _nothing
        function.map = _Map(function)  # type: ignore[no-untyped-call] # likewise
        function.within = _Within(function)  # type: ignore[no-untyped-call] # likewise
        # For the guest's side of call mode: another decorator on top would hide it.
        _decorated[function.__module__, function.__qualname__] = function
    except AttributeError:
        pass  # a callable that takes no attributes
    return function


_decorated: dict[tuple[str, str], object] = {}


def _nothing() -> None:
    """Cancel nothing: there is no container in the container."""


class _Within(object):
    """What ``within`` is on the host: here nothing watches the time."""

    def __init__(self, function):  # type: ignore[no-untyped-def] # likewise
        self._function = function

    def __call__(self, _seconds):  # type: ignore[no-untyped-def] # likewise
        return self._function


class _Map(object):
    """What ``map`` is on the host: here one call after the other."""

    def __init__(self, function):  # type: ignore[no-untyped-def] # likewise
        self._function = function

    def __call__(self, *inputs, **_options):  # type: ignore[no-untyped-def] # likewise
        if self._function.__code__.co_flags & 0x80:  # an `async def`
            return _awaited(map(self._function, *inputs))  # type: ignore[no-untyped-call] # likewise
        return map(self._function, *inputs)


async def _awaited(promises):  # type: ignore[no-untyped-def] # likewise
    for promise in promises:
        yield await promise


def is_in_docker_container() -> bool:
    """Say whether this process runs in a container; here it does, unless a variable denies it."""
    from buildr.guest import detection  # only when it is asked: every start pays for imports

    return detection.is_in_docker_container()


def __getattr__(name: str) -> object:
    """Import what few scripts ask for when it is asked for (PEP 562)."""
    if name == "BuildrError":
        from buildr.errors import BuildrError

        return BuildrError
    if name == "__version__":
        from buildr._version import __version__

        return __version__
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
