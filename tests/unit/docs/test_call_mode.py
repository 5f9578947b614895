"""What docs/call-mode.md and the example show is what there is."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildr.testing import FakeBackend, run_script, using

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "call-mode.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXAMPLE = (ROOT / "examples" / "call.py").read_text()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "call.py").write_text(EXAMPLE)
    yield
    sys.modules.pop("call", None)


def test_the_function_of_the_page_is_that_of_the_example() -> None:
    assert BLOCKS[0].split("\n", 1)[1].strip() in EXAMPLE


def test_the_samples_of_the_page_run() -> None:
    from call import primes  # type: ignore[import-not-found] # written just now

    exec(BLOCKS[1], {"primes": primes})  # noqa: S102 - our own page


def test_the_example_runs() -> None:
    with using(FakeBackend()):
        result = run_script("call.py")
    assert result.stdout.decode().splitlines() == [
        "[2, 3, 5, 7, 11, 13, 17, 19, 23, 29]",
        "4203 primes below 40000: [1229, 1033, 983, 958]",
    ], result.stderr.decode()


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    from buildr.guest.transfer import DEPTH
    from buildr.options import runtime_options

    assert f"deeper than {DEPTH}" in PAGE
    assert f"{runtime_options(None).call_limit >> 20} MiB each" in " ".join(PAGE.split())
