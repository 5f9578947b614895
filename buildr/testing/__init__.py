r"""Test your own decorated scripts with no engine: a backend that lives in memory.

A function, the guest, stands for what a container would do. A script is then run as ``python script`` would run it::

    >>> from buildr.testing import FakeBackend, run_script, using
    >>> def guest(container):
    ...     name = container.stdin.readline().strip()
    ...     container.stdout.write(b"hello " + name + b"\n")
    ...     return 3
    >>> with using(FakeBackend(guest)) as backend:
    ...     result = run_script("greet.py", "--loud", stdin=b"world\n")
    >>> result.stdout, result.status
    (b'hello world\n', 3)

Afterwards the backend knows what was asked of it::

    >>> backend.runs[0].argv
    ('python', '-u', '/app/greet.py', '--loud')
    >>> print(backend.builds[0].files["context/greet.py"].data.decode())
    from buildr import Containerize
    ...
    >>> "FROM docker.io/library/python:3-alpine" in backend.builds[0].containerfile
    True

and it can be made to fail::

    >>> from buildr.errors import BuildError
    >>> backend = FakeBackend()
    >>> backend.fail("build", BuildError("the disk is full"))
    >>> with using(backend):
    ...     result = run_script("greet.py")
    >>> result.status
    125

A function that is called by ``main.remote(...)`` or ``main.map(...)`` runs here and now, by the rules of a container for
what can travel; or a guest answers for it::

    >>> from greet import main
    >>> def guest(container):
    ...     call = call_in(container)
    ...     return call.returns("hello") if call else 1
    >>> with using(FakeBackend(guest)):
    ...     main.remote()
    'hello'

With pytest, a fixture of your own is four lines::

    @pytest.fixture
    def engine() -> Iterator[FakeBackend]:
        with using(FakeBackend()) as backend:
            yield backend
"""

from __future__ import annotations

from buildr.testing.backend import FakeBackend
from buildr.testing.build import BuildFile, FakeBuild
from buildr.testing.call import FakeCall
from buildr.testing.container import FakeContainer, Guest, call_in
from buildr.testing.engine import Operation
from buildr.testing.script import ScriptResult, run_script
from buildr.testing.streams import GuestEnded
from buildr.testing.use import using

__all__ = [
    "BuildFile",
    "FakeBackend",
    "FakeBuild",
    "FakeCall",
    "FakeContainer",
    "Guest",
    "GuestEnded",
    "Operation",
    "ScriptResult",
    "call_in",
    "run_script",
    "using",
]
