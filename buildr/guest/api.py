"""What ``import buildr`` means inside a container: the public names, doing as little as possible.

In the image this file is the package's ``__init__.py``, with the defaults of the options (`buildr.plan.guest_files`). A decorated function simply runs, and options are not
validated: the host has done so.
"""

# Without `from __future__ import annotations`: beside the script there may be a file of that name, too (`buildr.guest.shadows`).
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
    """Options as they were given, with the same attributes as on the host; defaults are attributes of the class."""

    _order: "tuple[str, ...]" = ()  # of the positional arguments

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

    # The package defaults come here.


class RuntimeOptions(_Options):
    """How the container runs."""

    # The runtime defaults come here.


class Containerized(object):
    """A decorated method, or another callable that is not a plain function, with everything that the host's object has.

    For annotations it is the type of every decorated function, as on the host; a plain function stays one here.
    """

    def __init__(self, function):
        self.local = self.remote = self.__wrapped__ = function
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            if hasattr(function, name):
                setattr(self, name, getattr(function, name))
        _add_ways(self, function)
        self.within = _Within(self)
        self.cancel = _nothing

    def __class_getitem__(cls, _parameters: object) -> type:
        return cls

    def __call__(self, *args, **kwargs):
        """Call it, here and now."""
        return self.local(*args, **kwargs)

    def __get__(self, instance, owner=None):
        """Bind as the callable itself would: to an instance, to a class, or not at all."""
        bind = getattr(self.local, "__get__", None)
        bound = self.local if bind is None else bind(instance, owner)
        return self if bound is self.local else Containerized(bound)


def Containerize(function=None, **options):  # noqa: N802 - the name on the host
    """Return the function unchanged: this is the container in which it should run."""
    if function is None:
        return Containerize
    plain = getattr(function, "__func__", function)  # of a static or class method
    name = getattr(plain, "__qualname__", "")
    if name:
        # For the guest's side of call mode, which another decorator on top would hide it from.
        _decorated[plain.__module__, name] = plain
    if not _is_plain(function, name):
        return Containerized(function)
    function.local = function.remote = function
    function.cancel = _nothing
    _add_ways(function, function)
    function.within = _Within(function)
    return function


def _is_plain(function, name):
    """Whether it is a function outside of a class, which binds to nothing."""
    scope = name.rpartition(".")[0]
    return type(function) is type(_nothing) and (not scope or scope.endswith("<locals>"))


_decorated: "dict[tuple[str, str], object]" = {}


def _nothing() -> None:
    """Do nothing: no container is started inside a container."""


class _Within(object):
    """The guest's ``within``: here nothing limits the time."""

    def __init__(self, function):
        self._function = function

    def __call__(self, _seconds):
        return self._function


class _Here(object):
    """One of the guest's ways to call a function many times, or later: `buildr.guest.here`."""

    def __init__(self, function, name):
        self._function = function
        self._name = name

    def __call__(self, *args, **kwargs):
        from buildr.guest.shadows import guard

        guard()
        from buildr.guest import here  # few guests use it

        return getattr(here, self._name)(self._function, *args, **kwargs)


def _add_ways(target, function):
    for name in ("map", "starmap", "spawn", "executor"):
        setattr(target, name, _Here(function, name))


def is_in_docker_container() -> bool:
    """Whether this process runs in a container; here it does, unless a variable says otherwise."""
    from buildr.guest.shadows import guard

    guard()
    from buildr.guest import detection  # only when it is asked: every start pays for imports

    return detection.is_in_docker_container()


def __getattr__(name: str) -> object:
    """Import on demand what few scripts use (PEP 562)."""
    if name == "BuildrError":
        from buildr.guest.shadows import guard

        guard()
        from buildr.errors import BuildrError

        return BuildrError
    if name == "__version__":
        from buildr._version import __version__

        return __version__
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
