"""The time zone of this machine, and how it is said to a guest that may have no data of it."""

from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest

from buildr.host import time_zone
from buildr.host.time_zone import TimeZone

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
ZONES = Path("/usr/share/zoneinfo")

pytestmark = pytest.mark.skipif(
    not (ZONES / "Europe/Berlin").is_file(), reason="this machine has no data of time zones"
)


@pytest.mark.parametrize(
    ("value", "zone"),
    [
        ("Europe/Berlin", TimeZone("Europe/Berlin", BERLIN)),
        (":Europe/Berlin", TimeZone(":Europe/Berlin", BERLIN)),
        (f":{ZONES}/Europe/Berlin", TimeZone("Europe/Berlin", BERLIN)),
        ("Etc/GMT+5", TimeZone("Etc/GMT+5", "<-05>5")),
        ("CET-1CEST", TimeZone("CET-1CEST")),
        ("No/Where", TimeZone("No/Where", "")),
        ("UTC", TimeZone("UTC", "UTC0")),
        ("", TimeZone("")),
        ("/no/such/file", TimeZone("/no/such/file")),
        ("../../etc/passwd", TimeZone("../../etc/passwd", "")),
    ],
)
def test_a_variable_is_passed_on_with_its_rule(value: str, zone: TimeZone) -> None:
    assert time_zone.time_zone({"TZ": value}) == zone


@pytest.mark.parametrize(
    ("target", "zone"),
    [
        ("Europe/Berlin", TimeZone("Europe/Berlin", BERLIN)),
        ("Etc/UTC", None),
        ("UTC", None),
        (None, None),
    ],
)
def test_the_default_time_zone_is_that_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str | None, zone: TimeZone | None
) -> None:
    local = tmp_path / "localtime"
    if target is not None:
        local.symlink_to(ZONES / target)
    monkeypatch.setattr(time_zone, "LOCAL", str(local))
    found = time_zone.time_zone({})
    assert found == zone or (zone is None and found is None)


def test_an_unnamed_copy_becomes_a_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "localtime").write_bytes((ZONES / "Asia/Kolkata").read_bytes())
    monkeypatch.setattr(time_zone, "LOCAL", str(tmp_path / "localtime"))
    assert time_zone.time_zone({}) == TimeZone("IST-5:30")


@pytest.mark.parametrize("data", [b"", b"text\n", b"TZif2", b"TZif\0\n"])
def test_an_invalid_zone_file_has_no_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    (tmp_path / "localtime").write_bytes(data)
    monkeypatch.setattr(time_zone, "LOCAL", str(tmp_path / "localtime"))
    assert time_zone.time_zone({}) is None


def test_every_zone_has_a_valid_rule_or_none() -> None:
    for name in sorted(zoneinfo.available_timezones()):
        rule = time_zone.named(name).rule
        assert rule is None or "\n" not in rule
