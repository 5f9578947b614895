"""A debugger that waits: what it changes of the image and of the container, and where it cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from buildr.cli import target
from buildr.engines.container_spec import Port
from buildr.errors import OptionError
from buildr.layout import DEBUG, DEBUGGER_ROOT
from buildr.testing import FakeBackend, using
from tests.unit import calls
from tests.unit.running import run_entry

if TYPE_CHECKING:
    from pathlib import Path

WAITING = ("python", "-u", "-X", "frozen_modules=off", DEBUG, DEBUGGER_ROOT)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "app.py").write_text("print()\n")
    (directory / "requirements.txt").write_text("six\n")
    (directory / "Dockerfile").write_text("FROM python\n")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return directory


def run(debug: object, *, module: str | None = None, **package: Any) -> FakeBackend:
    entry = target.find(None if module else "app.py", module, ("-x",))
    runtime = {"debug": debug, "ports": [80]} if debug is not None else None
    with using(FakeBackend()) as backend:
        assert run_entry(entry, package, runtime) == 0
    return backend


def test_the_script_waits_and_the_port_is_published() -> None:
    (container,) = run("127.0.0.1:7000").runs
    assert container.argv == (*WAITING, "7000", "/app/app.py", "-x")
    assert container.spec.ports == (
        Port(host_ip="127.0.0.1", host=80, container=80),
        Port(host_ip="127.0.0.1", host=7000, container=7000),
    )


@pytest.mark.parametrize(
    ("debug", "routed", "place"),
    [
        (7000, True, "host:7000"),
        ("[::1]:7000", True, "host:7000"),
        ("0.0.0.0:7000", True, "7000"),
        (7000, False, "7000"),
    ],
)
def test_only_the_host_can_connect_to_the_debugger(debug: object, routed: bool, place: str) -> None:
    backend = FakeBackend()
    backend._info = replace(backend.info, routed=routed)
    with using(backend):
        assert run_entry(target.find("app.py", None, ()), {}, {"debug": debug}) == 0
    (container,) = backend.runs
    assert container.argv == (*WAITING, place, "/app/app.py")


def test_a_module_waits_as_a_module(project: Path) -> None:
    (project / "tool.py").write_text("")
    (container,) = run(7000, module="tool").runs
    assert container.argv == (*WAITING, "7000", "-m", "tool", "-x")


def test_debugpy_is_a_separate_layer_after_the_dependencies() -> None:
    plain, debugged = (run(debug).builds[0] for debug in (None, 7000))
    added = [
        line
        for line in debugged.containerfile.splitlines()
        if line not in plain.containerfile.splitlines()
    ]
    assert len(added) == 2
    assert (
        f"pip install --no-cache-dir --disable-pip-version-check --target {DEBUGGER_ROOT}"
        in (added[1])
    )
    assert debugged.containerfile.index("requirements") < debugged.containerfile.index(added[1])
    names = [name for name in debugged.files if name.startswith("dependencies/")]
    assert names == [name for name in plain.files if name.startswith("dependencies/")]


def test_debugging_uses_another_image() -> None:
    with using(FakeBackend()) as backend:
        for debug in (7000, None, 7000, None):
            run_entry(target.find("app.py", None), None, {"debug": debug} if debug else None)
    assert len(backend.builds) == 2


def test_the_address_of_the_debugger_is_reported(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(7000)
    assert (
        f"a debugger attaches at 127.0.0.1:7000; {project} is /app there" in capfd.readouterr().err
    )


def test_an_address_reachable_from_outside_is_warned_about(
    capfd: pytest.CaptureFixture[str],
) -> None:
    run("0.0.0.0:7000")
    assert "anyone who can reach 0.0.0.0 can run code in the container" in capfd.readouterr().err
    run("[::1]:7000")
    said = capfd.readouterr().err
    assert "whoever" not in said
    assert "attaches at [::1]:7000" in said


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ({"dockerfile": "Dockerfile"}, r"cannot be combined: what a Containerfile"),
        ({"repository": "r.example/me", "publish": True}, "cannot be combined"),
    ],
)
def test_an_unavailable_debugger_is_reported(package: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        run(7000, **package)


def test_calls_wait_for_no_debugger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with using(FakeBackend()) as backend:
        for work in calls.imported(tmp_path, monkeypatch):
            assert calls.options(work.give, debug=7000, keep=True).remote(1) == 1
    assert DEBUG not in backend.runs[0].argv
    assert backend.runs[0].spec.ports == ()
    assert backend.runs[0].removed
