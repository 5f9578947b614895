"""Runs atheris on one reader: ``python -m tests.fuzz TARGET FOLDER [LIBFUZZER-OPTION...]``; ``--list`` names them.

The folder keeps the corpus; a failing input is written there as ``crash-…``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Instrument the readers, and fuzz one."""
    # It is untyped, and not part of the test environment.
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["buildr_backends", "buildr", "json", "dotenv", "h2"]):
        from tests.fuzz.targets import SEEDS, TARGETS

    if sys.argv[1:] == ["--list"]:
        print(*TARGETS)  # noqa: T201 - for scripts/fuzz
        return
    name, folder, *options = sys.argv[1:]
    corpus = Path(folder) / name
    corpus.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{index}").write_bytes(seed)
    atheris.Setup(
        [sys.argv[0], str(corpus), f"-artifact_prefix={corpus}/", *options], TARGETS[name]
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
