"""Every file that holds a secret stays, of hundreds of kinds; what only looks so travels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildr.context.ignore.rules import IgnoreRules
from buildr.context.scan import scan
from tests.canaries import HARMLESS, SECRET
from tests.samples import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from buildr.context.entries import Scan

RULES = [None, IgnoreRules.parse("*.log\n")]


def found(root: Path, files: Mapping[str, str], rules: IgnoreRules | None) -> Scan:
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode())
    return scan(root, rules=rules)


def travelling(found: Scan) -> set[str]:
    return {entry.path for entry in found.entries if entry.kind != "dir"}


@pytest.mark.parametrize("rules", RULES, ids=["defaults", "ignore file"])
def test_no_secret_travels(tmp_path: Path, rules: IgnoreRules | None) -> None:
    assert len(SECRET) >= 260
    scanned = found(tmp_path, SECRET, rules)
    assert travelling(scanned) == set()
    held = [path.rstrip("/") for path in scanned.secrets]
    unnamed = [p for p in SECRET if not any(p == h or p.startswith(f"{h}/") for h in held)]
    assert unnamed == []


@pytest.mark.parametrize("rules", RULES, ids=["defaults", "ignore file"])
def test_harmless_lookalikes_travel(tmp_path: Path, rules: IgnoreRules | None) -> None:
    scanned = found(tmp_path, HARMLESS, rules)
    assert scanned.secrets == ()
    assert travelling(scanned) == set(HARMLESS)


def test_all_secrets_travel_on_request(tmp_path: Path) -> None:
    found(tmp_path, SECRET, None)
    scanned = scan(tmp_path, rules=IgnoreRules.parse(""), include_secrets=True)
    assert travelling(scanned) == set(SECRET)


def test_the_table_of_attacks_has_the_right_number() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    # Two of the harmless ones say what is installed, and are left out on the engines.
    for count, outcome in ((len(SECRET), "none is"), (len(HARMLESS) - 2, "all are")):
        assert f"| all | {count} | {count}: {outcome} in the image" in page
