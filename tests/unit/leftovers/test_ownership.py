"""Ownership is proven, since labels can be copied or forged, and machines and users share engines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from buildr import labels
from buildr.cli import app
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.engines.records import Image
from buildr.errors import EngineLostError
from buildr.host import marks
from buildr.host.process import pid_namespace
from buildr.image.base_content import place_in
from buildr.labels import PROJECT
from buildr.layout import ENTRYPOINT, MARKERS
from buildr.leftovers import tasks
from buildr.leftovers.old_images import OldImages
from buildr.run import runs
from buildr.run.cleanup import end_run, sweep
from buildr.run.helper import helper
from buildr.run.lifecycle import create
from buildr.testing import FakeBackend, using
from tests.unit.host.test_marks import killed
from tests.unit.housekeeping import clean_up
from tests.unit.run.test_cleanup import labels_of_a_dead_process

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.engines.records import ContainerState


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def command(backend: FakeBackend, *words: str) -> Result:
    with using(backend):
        return CliRunner().invoke(app, words, prog_name="buildr")


def ours(backend: FakeBackend, **more: Any) -> ContainerState:
    """Create a container of a process that has ended; return it as it is listed."""
    image = backend.add_image("localhost/ours:latest")
    given = {**labels_of_a_dead_process(), **more.pop("labels", {})}
    container = create(backend, ContainerSpec(image=image.id, labels=given, **more), None)
    found = backend.state(container)
    assert found is not None
    return found


def derived(
    backend: FakeBackend, origin: ContainerState, *, labels: dict[str, str] | None = None
) -> Image:
    """Return an image that is committed from a container: with its labels, as engines do it."""
    image = Image(id="", labels={**origin.labels, **(labels or {})}, command=("sh",))
    return backend.add_image("localhost/derived:latest", image)


def untouched(backend: FakeBackend, container: str) -> bool:
    """Return whether neither a sweep, nor a watchdog, nor a command would touch a container."""
    state = backend.state(container)
    assert state is not None
    sweep(backend)
    end_run(backend, state.labels[labels.RUN], 0)
    listed = command(backend, "ps", "--json").stdout
    command(backend, "stop", "--all")
    command(backend, "prune")
    return backend.state(container) is not None and container not in listed


def test_leftovers_of_a_run_are_ours() -> None:
    backend = FakeBackend()
    left = ours(backend)
    assert ownership.is_ours(left)
    assert sweep(backend) == 1
    assert backend.state(left.id) is None


@pytest.mark.parametrize("name", ["their-shell", None, "the same"])
@pytest.mark.parametrize("given", ["web", None])
def test_a_container_of_a_committed_image_is_not_ours(name: str | None, given: str | None) -> None:
    backend = FakeBackend()
    origin = ours(backend, name=given)
    image = derived(backend, origin)
    if name == "the same":
        backend.remove(origin.id)
        name = origin.name
    theirs = backend.create(ContainerSpec(image=image.id, labels=image.labels, name=name))
    assert untouched(backend, theirs)


@pytest.mark.parametrize("entrypoint", [ENTRYPOINT, ("sh",)])
def test_a_committed_image_is_kept_even_without_a_name(
    entrypoint: tuple[str, ...],
) -> None:
    """Neither `buildr prune`, nor what follows a killed build, nor a new image of the project takes it away."""
    backend = FakeBackend()
    origin = ours(backend, labels={PROJECT: "p"})
    given = {**origin.labels, PROJECT: "p"}
    markers = tuple(f"{name}={value}" for name, value in MARKERS.items())
    image = Image(id="", labels=given, entrypoint=entrypoint, environment=markers)
    committed = backend.add_image("localhost/committed", image).id
    backend._images._images[committed] = replace(image, id=committed)
    command(backend, "prune")
    killed("build", "fake")
    old = OldImages(
        project="p", name="localhost/buildr/p", newest="", secrets=False, installs=False
    )
    tasks.note(backend.info, old)
    clean_up(backend)
    assert not marks.left("build", "fake")
    assert backend.image(committed) is not None


def test_a_clone_of_a_container_is_not_ours() -> None:
    backend = FakeBackend()
    origin = ours(backend)
    spec = ContainerSpec(image=origin.image, labels=origin.labels, name=f"{origin.name}-clone")
    assert untouched(backend, backend.create(spec))


def test_a_renamed_container_is_not_ours() -> None:
    backend = FakeBackend()
    origin = ours(backend)
    backend.runs[0].spec = replace(backend.runs[0].spec, name="mine now")
    assert untouched(backend, origin.id)


HOSTILE = {
    labels.RUN: "0" * 32,
    labels.PID: "1",
    labels.STARTED: "1",
    labels.BOOT: "x",
    labels.NAMESPACE: pid_namespace(),
    labels.ROLE: labels.RUN_ROLE,
    labels.PROOF: "0" * 32,
}


@pytest.mark.parametrize("proof", ["", "0" * 32, None])
def test_labels_of_an_image_prove_nothing(proof: str | None) -> None:
    backend = FakeBackend()
    given = {**HOSTILE, labels.UID: str(os.getuid())}
    if proof is None:
        del given[labels.PROOF]
    else:
        given[labels.PROOF] = proof
    image = backend.add_image("localhost/hostile:latest", Image(id="", labels=given))
    assert untouched(backend, backend.create(ContainerSpec(image=image.id, labels=given)))


def test_an_empty_proof_is_not_valid_on_an_unknown_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc")
    monkeypatch.setattr("buildr.host.state._MACHINE_IDS", ())
    from buildr.host import state

    state._secret.cache_clear()
    assert state.machine() == ""
    backend = FakeBackend()
    assert not ownership.is_ours(ours(backend))
    state._secret.cache_clear()


def test_an_image_cannot_disable_clean_up() -> None:
    switches = dict.fromkeys((labels.KEEP, labels.DETACH, labels.RESTART), "1")
    spec = ownership.signed(ContainerSpec(image="x", labels=ownership.labels(1)))
    # Engines put an image's labels below those that are given at the creation.
    merged = {**switches, **spec.labels}
    assert {name: merged[name] for name in switches} == dict.fromkeys(switches, "")
    backend = FakeBackend()
    ours(backend, labels=dict.fromkeys(switches, ""))
    assert sweep(backend) == 1


# Machines and users -----------------------------------------------------------------------------------------


def elsewhere(place: Path) -> dict[str, str]:
    """Return the labels, name and image of a run that this user has started on another machine."""
    code = (
        "from buildr.engines import ownership\nfrom buildr.engines.container_spec import ContainerSpec\n"
        "spec = ownership.signed(ContainerSpec(image='sha256:1', labels=ownership.labels(1)))\n"
        "print(repr(dict(spec.labels, the_name=spec.name)))"
    )
    environ = {**os.environ, "XDG_STATE_HOME": str(place)}
    text = subprocess.check_output([sys.executable, "-c", code], env=environ, text=True)
    found: dict[str, str] = eval(text)  # noqa: S307 - what we printed ourselves
    return found


@pytest.fixture
def shared(tmp_path: Path) -> tuple[FakeBackend, str]:
    """An engine with a live run of another machine; its host process is not one of this machine's."""
    backend = FakeBackend(lambda container: container.signals.wait())
    given = elsewhere(tmp_path / "another")
    name = given.pop("the_name")
    given |= {labels.BOOT: "another boot", labels.NAME: "training\x1b]0;x\x07"}
    image = backend.add_image("localhost/theirs:latest", Image(id="sha256:1"))
    container = backend.create(ContainerSpec(image=image.id, labels=given, name=name))
    backend.start(container)
    return backend, container


def test_a_run_of_another_machine_is_listed_and_never_touched(
    shared: tuple[FakeBackend, str], capfd: pytest.CaptureFixture[str]
) -> None:
    backend, container = shared
    run = backend.runs[0].spec.labels[labels.RUN]
    listed = command(backend, "ps").stdout
    assert "another machine" in listed
    assert "training\\x1b]0;x\\x07" in listed  # nothing that controls a terminal
    for words in (("stop", run), ("stop", "--all"), ("logs", run), ("exec", run, "sh"), ("prune",)):
        command(backend, *words)
    sweep(backend)
    end_run(backend, run, 0)
    state = backend.state(container)
    assert state is not None
    assert state.running
    assert not {"logs", "execute", "kill", "remove"} & set(backend.operations)
    assert capfd.readouterr().err.count("nothing shows that it is yours") == 3


def test_a_live_run_of_another_boot_with_the_same_key_and_id_is_kept() -> None:
    """A home on the network, and machines from one image."""
    backend = FakeBackend(lambda container: container.signals.wait())
    live = ours(backend, labels={labels.BOOT: "another"})
    backend.start(live.id)
    assert sweep(backend) == 0
    assert "unknown" in command(backend, "ps").stdout
    backend.kill(live.id, signal.SIGKILL)
    backend.wait(live.id)
    assert sweep(backend) == 1  # it had ended with that machine


def test_after_the_key_was_lost_earlier_runs_are_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = FakeBackend()
    before = ours(backend, labels={labels.DETACH: labels.SET})
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "cleared"))
    assert sweep(backend) == 0
    command(backend, "stop", "--all")
    command(backend, "prune")
    assert backend.state(before.id) is not None
    assert "another machine" in command(backend, "ps").stdout


def test_runs_of_another_user_are_neither_listed_nor_touched(tmp_path: Path) -> None:
    backend = FakeBackend()
    given = elsewhere(tmp_path / "another")
    name = given.pop("the_name")
    image = backend.add_image("localhost/theirs:latest", Image(id="sha256:1"))
    spec = ContainerSpec(image=image.id, labels=given | {labels.UID: "4242"}, name=name)
    assert untouched(backend, backend.create(spec))


# Helpers --------------------------------------------------------------------------------------------------


def test_a_leftover_helper_is_swept_and_is_not_a_run() -> None:
    backend = FakeBackend()
    left = ours(backend, labels={labels.ROLE: labels.HELPER_ROLE})
    assert runs.find([backend]) == []
    command(backend, "stop", "--all")
    assert "remove" not in backend.operations
    assert sweep(backend) == 1
    assert backend.state(left.id) is None


def test_a_helper_that_inspects_an_image_is_not_listed_as_a_run() -> None:
    listed: list[str] = []

    class Listed(FakeBackend):
        def get_archive(self, container: str, path: str) -> Any:
            listed.append(command(self, "ps", "--json").stdout.strip())
            listed.append(command(self, "stop", "--all").stdout)
            return super().get_archive(container, path)

    backend = Listed()
    image = backend.add_image("localhost/base:latest")
    assert place_in(backend, image) == "free"
    assert listed == ["[]", ""]
    assert all(run.removed for run in backend.runs)


def test_a_helper_that_could_not_be_removed_is_left_to_housekeeping() -> None:
    backend = FakeBackend()
    image = backend.add_image("localhost/base:latest")
    with helper(backend, image.id):
        pass
    assert not marks.left("run", "fake")
    backend.fail("remove", EngineLostError("the engine went away"))
    with pytest.raises(EngineLostError), helper(backend, image.id):
        pass
    assert len(marks.left("run", "fake")) == 1
