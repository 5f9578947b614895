"""Helpers of the tests of call mode: a module with decorated functions, in its own project."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from buildr.api.containerized import Containerized
from buildr.api.decoration import Decoration
from buildr.guest import frames
from buildr.options import read_runtime
from buildr.testing import call_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from buildr.testing import FakeContainer

MODULE = """\
import sys
from buildr import Containerize

class MyError(Exception):
    pass

@Containerize
def add(a, b=2, *rest, c=0):
    print("adding")
    return {"sum": a + b + sum(rest) + c}

@Containerize
def give(x):
    return x

@Containerize
async def later(x):
    return x

@Containerize
def fail(kind):
    if kind == "own":
        raise MyError("mine")
    if kind == "value":
        error = ValueError("bad", 1)
        error.__notes__ = ["look here"]
        raise error
    if kind == "exit":
        sys.exit(3)
    if kind == "stop":
        raise StopIteration
    if kind == "decode":
        b"\\xff".decode()
    if kind == "group":
        raise ExceptionGroup("many", [ValueError(1)])
    return 1j

def other(function):
    def hidden(*args):
        raise AssertionError
    hidden.__wrapped__ = function
    return hidden

@Containerize
def inner(x):
    return [x]

wrapped = inner
inner = other(inner)

class App:
    def __init__(self, n=1):
        self.n = n
    @Containerize(runtime={"call_format": "pickle"})
    def plus(self, x):
        return App(self.n + x)
    @Containerize
    def plain(self, x):
        return x
    @Containerize
    @classmethod
    def of_class(cls, x):
        return [cls.__name__, x]
    @staticmethod
    @Containerize
    def static(x):
        return x

def maker():
    @Containerize
    def local():
        pass
    return local
"""


def imported(
    directory: Path, monkeypatch: pytest.MonkeyPatch, text: str = MODULE, name: str = "work"
) -> Iterator[Any]:
    """Import a module of a project, isolated from this machine's settings; unload it afterwards."""
    project = directory / "project"
    path = project / f"{name.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
    for variable in ("BUILDR_BACKEND", "BUILDR_BASE_IMAGE", "PYTHONPATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.syspath_prepend(str(project))
    before = set(sys.modules)
    try:
        yield importlib.import_module(name)
    finally:
        for new in set(sys.modules) - before:
            if (getattr(sys.modules[new], "__file__", None) or "").startswith(str(project)):
                del sys.modules[new]


def answer(container: FakeContainer, data: bytes, *, status: int = 0) -> int:
    """Answer a guest's call with arbitrary bytes."""
    assert call_in(container) is not None
    assert container.calls is not None
    frames.write(container.calls._answers, frames.LAST, data)
    return status


def options(function: Any, **runtime: Any) -> Any:
    """Return a decorated function with other options of the run."""
    decoration = function._decoration
    return Containerized(function.local, Decoration(decoration.package, read_runtime(runtime)))
