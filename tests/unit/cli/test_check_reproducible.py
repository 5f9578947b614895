"""`buildr build --check-reproducible` from the command line to the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.testing import run_script, using
from tests.unit.command import command_project
from tests.unit.image.test_finish import Storing
from tests.unit.image.test_reproducible import Saving

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_one_image_is_said_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command_project(tmp_path, monkeypatch, "print('this ran on the host')\n")
    with using(Storing()) as engine:
        done = run_script("../command/tool.py", "build", "--check-reproducible", "app.py")
        image = engine.image("localhost/buildr/app:latest")
    assert done.status == 0, done.stderr
    assert image is not None
    assert f"buildr: reproducible: two builds gave the same image, {image.id}" in str(done.stderr)
    assert done.stdout == f"localhost/buildr/app:latest {image.id}\n".encode()


def test_what_differs_ends_the_command_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_project(tmp_path, monkeypatch, "print('this ran on the host')\n")
    with using(Saving()) as engine:  # each clean build is another image there
        done = run_script("../command/tool.py", "build", "--check-reproducible", "app.py")
        assert done.status == 1, done.stderr
        assert b"two builds of localhost/buildr/app:latest differ in:" in done.stderr
        assert done.stdout == b""
        assert not any("first-of-two" in tag for image in engine.images({}) for tag in image.tags)
