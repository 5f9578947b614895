"""A Podman that answers but cannot run containers, and a Docker that can."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engine.harness import fresh_runtime_directory, project_directory

if TYPE_CHECKING:
    from tests.engine.harness import Engine

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "hello.py"


def test_a_podman_with_a_broken_runtime_is_replaced_by_docker(
    root_podman: Engine, docker: Engine
) -> None:
    for project in project_directory(root_podman, "hello"):
        shutil.copy(EXAMPLE, project)
        broken = project.parent / "runtime"
        broken.write_text("#!/bin/sh\necho 'broken: cannot create a container' >&2\nexit 1\n")
        broken.chmod(0o755)
        text = Path(root_podman.environ["CONTAINERS_CONF"]).read_text()
        text = re.sub(r'runtime = ".*"\n', "", text)
        text = text.replace("[engine]\n", '[engine]\nruntime = "broken"\n')
        configuration = project.parent / "containers.conf"
        configuration.write_text(f'{text}\n[engine.runtimes]\nbroken = ["{broken}"]\n')
        for runtime in fresh_runtime_directory(root_podman):
            environ = {
                "CONTAINERS_CONF": str(configuration),
                "XDG_RUNTIME_DIR": str(runtime),
                "BUILDR_PODMAN_IDLE_SECONDS": "5",
                "BUILDR_BACKEND": "auto",
                "DOCKER_HOST": docker.environ["DOCKER_HOST"],
            }
            done = root_podman.run(sys.executable, "hello.py", cwd=project, env=environ)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.startswith(b"hello world, from ")
        assert b"using docker, since podman cannot run containers here" in done.stderr
