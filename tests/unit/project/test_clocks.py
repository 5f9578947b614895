"""A clock that is set while a run goes on decides nothing: only what people read, and what is old or young, goes by it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import buildr
import buildr_backends

if TYPE_CHECKING:
    from collections.abc import Iterator

WALL_CLOCKS = {"time", "time_ns", "localtime", "gmtime", "now", "utcnow", "today"}
ALLOWED = {
    "buildr/cli/logs.py": "since when a log is printed, for people",
    "buildr/engines/ownership.py": "when a container was created, for people",
    "buildr/guest/init.py": "which files a script has written, for people",
    "buildr/image/offline_base.py": "when an image was made, for people",
    "buildr/run/outputs.py": "whether a file in the project has been written since the run began; if in doubt it stays",
    "buildr/run/runs.py": "how old a run is, for people",
    "buildr/leftovers/tasks.py": "when what has failed is tried again; too long a pause counts as none",
    "buildr/host/cache.py": "files that have not been used for weeks",
    "buildr/installer/in_container.py": "wheels that have not been used for weeks",
    "buildr/context/index.py": "stamps of files too young to be trusted; a clock that is set back makes more of them",
    "buildr/context/pins.py": "files that are written to while they are read; a clock that is set makes more or fewer of them",
    "buildr_backends/shared/append_layer.py": "when an image was made, for people",
    "buildr_backends/podman/private_service.py": "sockets without a listener",
    "buildr_backends/podman/service.py": "the same",
}


def readers_of_wall_clocks(package: Path) -> Iterator[str]:
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                of_clock = node.value.id in {"time", "datetime", "date"}
                if of_clock and node.attr in WALL_CLOCKS:
                    yield str(path.relative_to(package.parent))
            elif isinstance(node, ast.ImportFrom) and node.module == "time":
                assert not WALL_CLOCKS & {name.name for name in node.names}, path


def test_all_uses_of_the_wall_clock_are_known() -> None:
    packages = [Path(package.__file__ or "").parent for package in (buildr, buildr_backends)]
    found = {path for package in packages for path in readers_of_wall_clocks(package)}
    assert found == set(ALLOWED)
