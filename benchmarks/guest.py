"""The cost of importing Buildr in the guest, measured inside one container."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.bench import Bench

# Runs in the container: both commands alternately, the first round not counted; then the additional modules.
_SCRIPT = '''\
import json
import subprocess
import sys
import time

BARE = "pass"
OURS = """
from buildr import Containerize, is_in_docker_container
assert is_in_docker_container()
@Containerize
def main():
    pass
main()
"""
MODULES = "\\nimport sys; print(*sorted(sys.modules))"


def milliseconds(code):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return 1000 * (time.perf_counter() - start)


def modules(code):
    return set(subprocess.check_output([sys.executable, "-c", code + MODULES], text=True).split())


times = [(milliseconds(OURS), milliseconds(BARE)) for _ in range(int(sys.argv[1]) + 1)][1:]
names = {name.partition(".")[0] for name in modules(OURS) - modules(BARE)}
third_party = sorted(names - set(sys.stdlib_module_names) - {"buildr"})
print(json.dumps([[a for a, _ in times], [b for _, b in times], third_party]))
'''


@dataclass(frozen=True, kw_only=True)
class ImportCost:
    """Wall times in milliseconds, in pairs, and the modules that belong neither to Python nor to Buildr."""

    ours: list[float]
    bare: list[float]
    third_party: list[str]


def import_cost(bench: Bench, image: str) -> ImportCost:
    """Measure in a container of an image that Buildr built."""
    command = ("run", "--rm", image, "python", "-c", _SCRIPT, str(bench.pairs))
    output = bench.engine.output(bench.engine.backend, *command)
    ours, bare, third_party = json.loads(output)
    return ImportCost(ours=ours, bare=bare, third_party=third_party)
