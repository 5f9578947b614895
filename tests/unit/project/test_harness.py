"""What the engine tests do with an engine that others use, too; a shell script takes the place of its command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import Engine

if TYPE_CHECKING:
    from pathlib import Path

# As Podman does it: `rmi --force` fails where somebody else removes a container of the image meanwhile.
COMMAND = """\
#!/bin/sh
cd "$PLACE" || exit 1
case $1 in
images) if [ -e image ]; then echo "sha256:1 localhost/buildr/x:latest"; fi ;;
rmi)
    echo tried >>tries
    if [ "$(wc -l <tries)" -le "$FAILURES" ]; then
        if [ -e vanishes ]; then rm image; fi
        echo "Error: container 1f does not exist in database: no such container" >&2
        exit 125
    fi
    rm image ;;
esac
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    command = tmp_path / "bin" / "podman"
    command.parent.mkdir()
    command.write_text(COMMAND)
    command.chmod(0o755)
    (tmp_path / "image").touch()
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    environ = {"PLACE": str(tmp_path)}
    found = {"backend": "podman", "user": None, "uid": os.getuid(), "home": "/", "environ": environ}
    return Engine("podman", found, "base")


def test_images_are_removed_even_if_a_container_vanishes(engine: Engine, tmp_path: Path) -> None:
    engine.environ["FAILURES"] = "1"
    engine.remove_images("localhost/buildr/x")
    assert not (tmp_path / "image").exists()


def test_an_image_removed_by_another_process_is_ignored(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "vanishes").touch()
    engine.environ["FAILURES"] = "99"
    engine.remove_images("localhost/buildr/x")
    assert (tmp_path / "tries").read_text() == "tried\n"


def test_a_persistent_removal_error_is_a_failure(engine: Engine) -> None:
    engine.environ["FAILURES"] = "99"
    with pytest.raises(AssertionError, match="does not exist in database"):
        engine.remove_images("localhost/buildr/x")
