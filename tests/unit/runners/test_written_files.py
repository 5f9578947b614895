"""Files that are lost with the container are reported if something is lost and a user reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildr.guest.init import NOT_KEPT
from buildr.host import console
from buildr.plan.entry import Entry
from buildr.testing import FakeBackend, using
from tests.unit.running import run_entry

if TYPE_CHECKING:
    from collections.abc import Mapping


def asked(package: Mapping[str, Any] | None = None, **runtime: Any) -> str | None:
    """Return what the guest's first process is asked for."""
    entry = Entry(kind="script", script=str(Path("app.py").absolute()))
    with using(FakeBackend()) as backend:
        run_entry(entry, dict(package or {}), runtime)
        return backend.runs[0].spec.environment.get(NOT_KEPT)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(console, "is_terminal", lambda: True)


def test_on_a_terminal_lost_files_are_named() -> None:
    assert asked() == "always"


def test_kept_containers_of_failures_lose_no_files() -> None:
    assert asked(keep=True) == "success"


@pytest.mark.parametrize(
    "runtime",
    [{"hardened": True}, {"mount_source": True}, {"detach": True}, {"outputs": "out"}],
)
def test_nothing_is_reported_if_nothing_is_lost_or_the_run_is_detached(
    runtime: dict[str, Any],
) -> None:
    assert asked(**runtime) is None


def test_quiet_is_quiet() -> None:
    assert asked({"quiet": True}) is None


def test_without_a_terminal_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "is_terminal", lambda: False)
    assert asked() is None
