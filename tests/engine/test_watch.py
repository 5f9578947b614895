"""Reruns on a change, on real engines."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.engine.harness import await_line, give

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.harness import Engine

SECONDS = 120  # longer than any expected wait
SERVER = """\
import signal, sys

def end(number, frame):
    print("ended by", number, flush=True)
    sys.exit(5)

signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
print("{word}", flush=True)
while True:
    signal.pause()
"""


def rewrite(path: Path, text: str) -> None:
    """Replace a file atomically, as editors do."""
    new = path.parent.parent / path.name
    new.write_text(text)
    new.replace(path)


def test_changes_end_the_guest_and_run_it_again_until_an_interrupt(
    engine: Engine, project: Path
) -> None:
    script = project / "watched.py"
    script.write_text(SERVER.format(word="the first"))
    give(engine, project)
    process = engine.popen(
        *(sys.executable, "-m", "buildr", "run", "--verbose", "--watch", "watched.py"),
        cwd=project,
        stderr=subprocess.STDOUT,
    )
    with process:
        await_line(process, b"the first")
        rewrite(script, SERVER.format(word="the second"))
        await_line(process, b"ended by 15")
        await_line(process, b"running again: watched.py changed")
        assert process.stdout is not None
        assert process.stdout.readline() == b"the second\n"  # without a build step before it
        rewrite(script, "import sys\nsys.exit(3)\n")
        await_line(process, b"watched ended with status 3")
        rewrite(script, SERVER.format(word="the fourth"))
        await_line(process, b"the fourth")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=SECONDS)
        assert (process.returncode, rest) == (0, b"ended by 2\n")
    assert engine.cli("ps", "--all", "--quiet", "--filter", "label=buildr.name=watched") == ""
