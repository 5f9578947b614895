r"""Test your own decorated scripts with no engine: a backend that lives in memory.

What a container would do is said by a function, the guest. A script is then run as ``python script`` would run it::

    >>> from buildr.testing import FakeBackend, run_script, using
    >>> def guest(container):
    ...     name = container.stdin.readline().strip()
    ...     container.stdout.write(b"hello " + name + b"\n")
    ...     return 3
    >>> with using(FakeBackend(guest)) as backend:
    ...     result = run_script("greet.py", "--loud", stdin=b"world\n")
    >>> result.stdout, result.status
    (b'hello world\n', 3)

Afterwards the backend tells what was asked of it::

    >>> backend.runs[0].argv
    ('python', '-u', '/app/greet.py', '--loud')
    >>> print(backend.builds[0].files["context/greet.py"].data.decode())
    from buildr import Containerize
    ...
    >>> "FROM docker.io/library/python:3-alpine" in backend.builds[0].containerfile
    True

and faults can be made to happen::

    >>> from buildr.errors import BuildError
    >>> backend = FakeBackend()
    >>> backend.fail("build", BuildError("the disk is full"))
    >>> with using(backend):
    ...     result = run_script("greet.py")
    >>> result.status
    125

With pytest, a fixture of your own is four lines::

    @pytest.fixture
    def engine() -> Iterator[FakeBackend]:
        with using(FakeBackend()) as backend:
            yield backend
"""

from __future__ import annotations

from buildr.testing.backend import FakeBackend, Operation
from buildr.testing.build import BuildFile, FakeBuild
from buildr.testing.container import FakeContainer, Guest
from buildr.testing.script import ScriptResult, run_script
from buildr.testing.streams import GuestEnded
from buildr.testing.use import using

__all__ = [
    "BuildFile",
    "FakeBackend",
    "FakeBuild",
    "FakeContainer",
    "Guest",
    "GuestEnded",
    "Operation",
    "ScriptResult",
    "run_script",
    "using",
]
