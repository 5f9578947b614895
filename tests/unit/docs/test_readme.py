"""What README shows is what there is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "README.md").read_text()


def test_the_first_script_is_the_one_in_examples() -> None:
    [script] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert (ROOT / "examples" / "sizes.py").read_text() == script
    assert len([line for line in script.splitlines() if line]) <= 12


def test_the_readme_is_short() -> None:
    assert len(TEXT.split()) <= 900
