"""Script mode: the guest behaves as the script would have behaved without Buildr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left")

SCRIPT = """\
from buildr import Containerize
{imports}

@Containerize
def main():
{body}

if __name__ == "__main__":
    main()
"""


def script(body: str, imports: str = "import os, signal, sys") -> str:
    return SCRIPT.format(
        imports=imports, body="\n".join(f"    {line}" for line in body.splitlines())
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("pass", 0),
        ("sys.exit(0)", 0),
        ("sys.exit(1)", 1),
        ("sys.exit(3)", 3),
        ("sys.exit(255)", 255),
        ("sys.exit('text')", 1),
        ("raise ValueError('broken')", 1),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143),
        ("os._exit(42)", 42),
    ],
)
def test_the_status_inside_is_the_status_outside(
    engine: Engine, project: Path, body: str, status: int
) -> None:
    (project / "app.py").write_text(script(body))
    assert engine.python("app.py", cwd=project).returncode == status


def test_streams_are_separate_and_exact(engine: Engine, project: Path) -> None:
    (project / "app.py").write_text(
        script(
            "data = sys.stdin.buffer.read()\nsys.stdout.buffer.write(data)\nsys.stderr.buffer.write(data[::-1])"
        )
    )
    data = bytes(range(256)) * 1000
    done = engine.python("app.py", cwd=project, stdin=data, env={"BUILDR_QUIET": "1"})
    assert done.stdout == data
    assert done.stderr.endswith(data[::-1])
