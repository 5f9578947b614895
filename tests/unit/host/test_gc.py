"""Importing Buildr leaves the garbage collector as it was."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from buildr._gc import Uncollected


@pytest.fixture(autouse=True)
def _as_it_was() -> object:
    collects = gc.isenabled()
    yield
    gc.enable() if collects else gc.disable()


@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_is_restored_afterwards(*, collects: bool) -> None:
    gc.enable() if collects else gc.disable()
    meanwhile = []

    def fail() -> None:
        with Uncollected():
            meanwhile.append(gc.isenabled())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (meanwhile, gc.isenabled()) == ([False], collects)


@pytest.mark.parametrize("first", ["", "import gc; gc.disable()\n"])
def test_an_import_freezes_its_objects_and_keeps_collecting(first: str) -> None:
    code = (
        first + "import gc; was = gc.isenabled(); import buildr\n"
        "assert gc.isenabled() is was\n"
        "assert gc.get_freeze_count() > 5000\n"
        "class Cycle:\n"
        "    def __del__(self): print('collected')\n"
        "cycle = Cycle(); cycle.itself = cycle; del cycle; gc.collect()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"collected\n", b"")
