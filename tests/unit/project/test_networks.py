"""The networks of the tests' engines: those of two state directories never meet, though their engines run at the same time."""

from __future__ import annotations

import ipaddress
import subprocess
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[3] / "scripts" / "lib"
SLOTS = 64


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(SLOTS + 1):
        (tmp_path / f"state-{number}").mkdir()
    return tmp_path


def script(root: Path, state: int, text: str) -> subprocess.CompletedProcess[str]:
    sources = "".join(f". {LIBRARY}/{name}.sh\n" for name in ("common", "networks"))
    head = f"set -eu\nslots={root}/slots\nstate={root}/state-{state}\n"
    return subprocess.run(
        ["sh", "-c", f"{head}{sources}{text}"], capture_output=True, text=True, check=False
    )


def slot(root: Path, state: int) -> str:
    done = script(root, state, "slot")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_each_state_directory_has_its_own_slot(root: Path) -> None:
    taken = [slot(root, state) for state in range(SLOTS)]
    assert len(set(taken)) == SLOTS
    assert slot(root, 7) == taken[7]

    done = script(root, SLOTS, "slot")
    assert done.returncode == 1
    assert "Stop some: scripts/engines down" in done.stderr

    assert script(root, 7, "with_slots free_slot").returncode == 0
    assert slot(root, SLOTS) == taken[7]
    (root / "state-9").rmdir()
    assert slot(root, 7) == taken[9]


def test_parallel_requests_get_different_slots(root: Path) -> None:
    asking = "for state in $(seq 0 15); do (state=${state_of}$state && slot) & done; wait"
    done = script(root, 0, f"state_of={root}/state-; {asking}")
    assert len(set(done.stdout.split())) == 16, done.stderr


def test_networks_of_two_slots_have_no_address_in_common(root: Path) -> None:
    lines = (
        "for slot in $(seq 0 63); do for part in $(seq 0 31); do network $slot $part; done; done"
    )
    found = [
        ipaddress.IPv4Network(f"{line}.0/24") for line in script(root, 0, lines).stdout.split()
    ]
    assert len(set(found)) == SLOTS * 32
    assert list(ipaddress.collapse_addresses(found)) == [ipaddress.IPv4Network("10.200.0.0/13")]
