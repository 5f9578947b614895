"""One more command in the container of a run: which one, with what, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from buildr import labels
from buildr.cli import app
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.engines.records import CommandSpec
from buildr.errors import CommandNotFoundError, EngineLostError
from buildr.host.signals import Signals
from buildr.labels import PROJECT
from buildr.run import runs
from buildr.run.exec import execute
from buildr.testing import FakeBackend, FakeContainer, using

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BUILDR_BACKEND", raising=False)


def until_removed(container: FakeContainer) -> int:
    container.signals.catch(signal.SIGTERM)
    return container.signals.wait()


@pytest.fixture
def backend() -> FakeBackend:
    """An engine with one run that goes on."""
    found = FakeBackend(until_removed)
    image = found.add_image("localhost/test:latest")
    given = {labels.NAME: "hello", PROJECT: "0123456789abcdef", **ownership.labels(3600)}
    spec = ContainerSpec(image=image.id, labels=given, environment={"OF": "run"}, user="1000:0")
    found.start(found.create(ownership.signed(spec)))
    return found


def command(backend: FakeBackend, *words: str) -> Result:
    with using(backend):
        return CliRunner().invoke(app, ("exec", *words), prog_name="buildr")


def test_the_command_has_its_own_streams_and_status(
    backend: FakeBackend, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(b"\xff out\n")
        container.stderr.write(b"err")
        return 7

    backend.command = guest
    assert command(backend, "hello", "tool", "--help", "-e").exit_code == 7
    assert capfdbinary.readouterr() == (b"\xff out\n", b"err")
    (done,) = backend.executed
    assert done.argv == ("tool", "--help", "-e"), "what follows the run belongs to the command"
    assert done.spec.user == "1000:0"
    assert not done.spec.tty


def test_options_set_the_environment_of_the_command(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERE", "taken")
    monkeypatch.delenv("NOWHERE", raising=False)
    options = ("-e", "A=1=2", "-e", "HERE", "--env", "NOWHERE", "-w", "/tmp", "-u", "0")
    assert command(backend, *options, "hello", "env").exit_code == 0
    (done,) = backend.executed
    assert (done.spec.workdir, done.spec.user) == ("/tmp", "0")
    assert done.environment["A"] == "1=2"
    assert done.environment["HERE"] == "taken"
    assert done.environment["OF"] == "run"
    assert "NOWHERE" not in done.environment


@pytest.mark.parametrize("words", [(), ("hello",), ("-e", "=1", "hello", "true")])
def test_an_invalid_command_line_is_refused(backend: FakeBackend, words: tuple[str, ...]) -> None:
    assert command(backend, *words).exit_code == 2
    assert backend.executed == []


def test_a_missing_or_ended_run_is_an_error(
    backend: FakeBackend, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(backend, "other", "true").exit_code == 125
    assert "there is no run 'other'" in capfd.readouterr().err
    (of_run,) = backend.runs
    of_run.signals.send(signal.SIGKILL)
    assert command(backend, "hello", "true").exit_code == 125
    assert "does not run: exited" in capfd.readouterr().err
    assert backend.executed == []


def test_a_missing_command_has_status_127(
    backend: FakeBackend, capfd: pytest.CaptureFixture[str]
) -> None:
    backend.fail("execute", CommandNotFoundError("the command was not found"))
    assert command(backend, "hello", "nosuch").exit_code == 127
    assert "was not found" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_reaches_the_command_which_sets_the_status(
    backend: FakeBackend, number: int
) -> None:
    def catching(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
        signals.received.put(number)
        return 40 + container.signals.wait()

    signals = Signals()
    backend.command = catching
    (found,) = runs.find([backend])
    assert execute(found, CommandSpec(command=("x",), stdin=False), signals) == 40 + number
    assert backend.runs[0].running, "the run itself has heard of nothing"


def test_a_second_interrupt_kills_the_command(backend: FakeBackend) -> None:
    def stubborn(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGINT)
        signals.received.put(signal.SIGINT)
        container.signals.wait()
        signals.received.put(signal.SIGINT)
        return container.signals.wait()

    signals = Signals()
    backend.command = stubborn
    (found,) = runs.find([backend])
    status = execute(found, CommandSpec(command=("x",), stdin=False), signals)
    assert status == 128 + signal.SIGKILL


def test_broken_streams_are_not_a_success(backend: FakeBackend) -> None:
    def guest(container: FakeContainer) -> int:
        container.cut("gone")
        container.signals.catch(signal.SIGTERM)
        return container.signals.wait()

    backend.command = guest
    (found,) = runs.find([backend])
    with pytest.raises(EngineLostError, match="the command's streams were lost"):
        execute(found, CommandSpec(command=("x",), stdin=False), Signals())


def test_importing_runs_does_not_import_exec() -> None:
    code = "import sys, buildr, buildr.run; sys.exit('buildr.run.exec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
