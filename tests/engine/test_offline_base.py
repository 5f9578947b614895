"""`buildr base` on real engines, with a fake mmdebstrap; the tests' base image is made by the real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.engine.harness import give
from tests.mmdebstrap import stand_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.harness import Engine

NAME = "localhost/buildr/test-offline-base:1"


def test_an_engine_stores_the_image_with_its_name_and_labels(engine: Engine, project: Path) -> None:
    stand_in(project)
    give(engine, project)
    path = {"PATH": f"{project}/bin:{engine.environ['PATH']}"}
    words = ("-m", "buildr", "base", "--tag", NAME, "--mirror", "http://mirror.example/debian")
    done = engine.python(*words, cwd=project, env=path)
    try:
        assert (done.returncode, done.stdout.decode()) == (0, f"{NAME}\n"), done.stderr.decode()
        [found] = json.loads(engine.cli("image", "inspect", NAME))
        assert found["Config"]["Cmd"] == ["python3"]
        assert found["Config"]["Labels"]["org.opencontainers.image.title"] == "offline-base"
        again = engine.python(*words, cwd=project, env=path)
        assert b"has localhost/buildr/test-offline-base:1 already" in again.stderr
    finally:
        engine.cli("image", "rm", NAME)
