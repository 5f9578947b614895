"""The packages of ``docs/rootless.md`` are those that ``buildr doctor`` names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from buildr.doctor import Host, distribution

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "rootless.md").read_text()


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("Debian, Ubuntu", "debian"),
        ("Fedora, RHEL and its kin", "fedora"),
        ("Arch", "arch"),
        ("openSUSE, SLE", "opensuse"),
        ("Alpine", "alpine"),
    ],
)
def test_the_packages_are_those_of_doctor(row: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text(f"ID={name}\n")
    host = Host(root=str(tmp_path), environ={}, uid=1000, user="me")
    command = re.findall(rf"(?m)^\| {row} \| `([^`]+)`", PAGE)[0]
    (podman,) = distribution.install(host, ["podman"])
    (mapping,) = distribution.install_id_mapping(host)
    assert command.startswith(f"{podman} ")
    assert mapping.rpartition(" ")[2] in command.split()
