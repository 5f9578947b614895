"""A shell instead of a script: its command and container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from buildr.cli import app
from buildr.testing import FakeBackend, FakeContainer, using

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BUILDR_BACKEND", raising=False)
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "app.py").write_text("print()\n")
    monkeypatch.chdir(directory)


def command(backend: FakeBackend, *words: str) -> Result:
    with using(backend):
        return CliRunner().invoke(app, ("shell", *words), prog_name="buildr")


@pytest.mark.parametrize(
    ("words", "ran"),
    [
        (("app.py", "-c", "exit 3"), ("sh", "-c", "exit 3")),
        (("app.py", "--", "ls", "-l"), ("ls", "-l")),
        (("-c", "true", "-e", "A=1", "app.py"), ("sh", "-c", "true")),
    ],
)
def test_a_command_runs_in_place_of_the_script(
    words: tuple[str, ...], ran: tuple[str, ...]
) -> None:
    def guest(container: FakeContainer) -> int:
        assert container.spec.environment.get("A", "1") == "1"
        return 3

    backend = FakeBackend(guest)
    assert command(backend, *words).exit_code == 3
    (run,) = backend.runs
    assert run.argv == ran
    assert run.removed
    assert len(backend.builds) > 0


def test_the_default_command_is_a_shell() -> None:
    backend = FakeBackend()
    assert command(backend, "app.py").exit_code == 0
    assert backend.runs[0].argv[:2] == ("sh", "-c")
    assert "exec bash" in backend.runs[0].argv[2]


@pytest.mark.parametrize(
    "words",
    [(), ("app.py", "-c", "x", "--", "y"), ("app.py", "--detach"), ("app.py", "--debug", "5")],
)
def test_an_invalid_command_line_is_refused(words: tuple[str, ...]) -> None:
    backend = FakeBackend()
    assert command(backend, *words).exit_code == 2
    assert backend.runs == []
