"""What README shows is what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import buildr
from buildr.options import package_options, runtime_options

ROOT = Path(__file__).resolve().parents[3]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_first_example_is_the_one_in_examples() -> None:
    assert (ROOT / "examples" / "hello.py").read_text() == BLOCKS[0]
    assert len(BLOCKS[0].splitlines()) <= 15


def test_the_options_are_all_options_and_valid() -> None:
    given: dict[str, Any] = {}

    def take(**options: Any) -> None:
        given.update(options)

    source = BLOCKS[1].strip().removeprefix("@")
    exec(source, {**vars(buildr), "Containerize": take})  # noqa: S102 - our own README
    package_options(given["package"])
    runtime_options(given["runtime"])
    shown = set(given["package"]) | set(given["runtime"])
    known = set(buildr.PackageOptions.__struct_fields__) | set(
        buildr.RuntimeOptions.__struct_fields__
    )
    refused = {"replicas", "shard_spec", "job_spec"}  # validated, and not for a single engine
    assert known - shown - refused <= {
        "dependencies_file",
        "include_secrets",
        "pull",
    }  # told in the text
