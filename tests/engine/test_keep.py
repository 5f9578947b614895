"""The kept container of a failed run: the printed commands work."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engine.harness import give

if TYPE_CHECKING:
    from tests.engine.harness import Engine

SCRIPT = """\
import sys
open("FILE", "a").write("from the guest\\n")
sys.exit(int(sys.argv[1]))
"""


def test_a_kept_run_can_be_inspected_until_it_is_stopped(engine: Engine, project: Path) -> None:
    (project / "kept.py").write_text(SCRIPT)
    give(engine, project)

    def buildr(*words: str) -> tuple[int, str, str]:
        done = engine.python("-m", "buildr", *words, cwd=project)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    status, _, said = buildr("run", "--keep", "kept.py", "3")
    assert status == 3
    reported = dict(re.findall(r"^  (\w+ .*?\w)   +(.*)$", said, re.MULTILINE))
    assert list(reported) == [
        *("what it wrote", "what it changed", "a file of it", "a shell in it", "run it once more"),
        "remove it",
    ]
    # The next run sweeps, but not kept containers.
    assert buildr("run", "--keep", "kept.py", "0") == (0, "", "")
    [run] = [
        run
        for run in json.loads(buildr("ps", "--json", "--backend", engine.backend)[1])
        if run["kept"] and reported["remove it"].endswith(run["run"][:12])
    ]
    assert (run["status"], run["host"]) == ("exited", "kept")

    assert "A /app/FILE" in engine.cli(*reported["what it changed"].split()[1:])
    command = reported["a file of it"].split()
    place = project / "found"
    engine.cli(*command[1:-1], str(place))
    assert place.read_text() == "from the guest\n"
    again = engine.run(*reported["run it once more"].split(), cwd=Path("/"))
    assert again.returncode == 3, again.stderr

    assert buildr(*reported["remove it"].split()[1:], "--backend", engine.backend)[0] == 0
    assert engine.cli("ps", "--all", "--quiet", "--filter", "label=buildr.name=kept") == ""
