"""Whether an engine mounts the files that this process sees, by their modification times."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from buildr.engines.container_spec import MountSpec
from tests.unit.backends.engines import PREFIX, reach
from tests.unit.backends.server import Server, always, answer

if TYPE_CHECKING:
    from pathlib import Path

ENGINES = pytest.mark.parametrize("name", PREFIX)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    return path


def there(mtime: str) -> bytes:
    """Return an engine's answer for a path with this modification time."""
    found = json.dumps({"name": "data", "size": 1, "mode": 0, "mtime": mtime, "linkTarget": ""})
    head = base64.b64encode(found.encode()).decode()
    return answer(200, b"", {"X-Docker-Container-Path-Stat": head})


def shown(name: str, source: Path, *answers: bytes) -> tuple[bool, int]:
    """Return the result of each check, and the number of requests."""
    mount = MountSpec(kind="bind", source=str(source), target="/data")
    with Server(always(*answers)) as server:
        backend = reach(name, server)
        found = [backend.shows("c", mount) for _ in answers]
        backend.close()
        return found[-1], len(server.requests)


def at(seconds: int, fraction: str, zone: timezone = UTC) -> str:
    text = datetime.fromtimestamp(seconds, zone).isoformat()
    return f"{text[:19]}{fraction}{'Z' if zone is UTC else text[19:]}"


SAME = at(1_700_000_000, ".123456789")


@ENGINES
@pytest.mark.parametrize(
    ("mtime", "same"),
    [
        (SAME, True),
        (at(1_700_000_000, ".123456789", timezone(timedelta(hours=5, minutes=30))), True),
        (at(1_700_000_000, ""), True),  # shared with a virtual machine
        (at(1_700_000_000, ".12345678"), False),
        (at(1_700_000_000, ".5"), False),
        (at(1_699_999_999, ".123456789"), False),
        (at(0, ""), False),
        (at(1_700_000_001, ""), False),
    ],
)
def test_a_source_with_another_change_time_is_a_different_one(
    name: str, source: Path, mtime: str, *, same: bool
) -> None:
    assert shown(name, source, there(mtime)) == (same, 1)


@ENGINES
@pytest.mark.parametrize(
    "said",
    [
        answer(404, b"{}"),
        answer(500, b"{}"),
        answer(200),
        answer(200, b"", {"X-Docker-Container-Path-Stat": "?"}),
        answer(200, b"", {"X-Docker-Container-Path-Stat": base64.b64encode(b"[]").decode()}),
        there("yesterday"),
        there("2026-99-99T00:00:00Z"),
    ],
)
def test_an_unknown_change_time_is_accepted(name: str, source: Path, said: bytes) -> None:
    assert shown(name, source, said)[0]


@ENGINES
def test_the_engine_is_asked_once_per_socket(name: str, source: Path) -> None:
    assert shown(name, source, there(SAME), there(SAME)) == (True, 1)


@ENGINES
def test_a_replaced_source_is_checked_again(name: str, source: Path) -> None:
    assert shown(name, source, there(SAME)) == (True, 1)
    source.rename(source.with_name("before"))
    source.mkdir()
    assert shown(name, source, there(SAME)) == (False, 1)


@ENGINES
def test_a_source_that_only_the_engine_sees_is_accepted(name: str, source: Path) -> None:
    source.rmdir()
    with Server(always(answer(500))) as server:
        mount = MountSpec(kind="bind", source=str(source), target="/data")
        assert reach(name, server).shows("c", mount)
        assert not server.requests
