"""Runners: which one an option names, and one that somebody else adds by an entry point, without touching Buildr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from buildr.errors import OptionError
from buildr.plan.entry import Entry
from buildr.runners.registry import call_runner, renderer, runner
from buildr.testing import FakeBackend, using
from tests.unit.distributions import install, search_path
from tests.unit.processes import python
from tests.unit.running import planned_run, run_entry

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

SCRIPT = """\
from buildr import Containerize

@Containerize(package={package}, runtime={runtime})
def main():
    print("this line never runs on the host")

if __name__ == "__main__":
    print(main{call}(), flush=True)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "app.py").write_text("")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("BUILDR_BACKEND", raising=False)
    site = install("third_party_runner", tmp_path / "site")
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.fixture
def entry(site: Path, tmp_path: Path) -> Entry:
    assert site.is_dir()
    return Entry(kind="script", script=str(tmp_path / "project" / "app.py"), arguments=("a b",))


def script(
    site: Path, *words: str, call: str = "", package: Any = None, **runtime: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run a decorated script, or with words a command."""
    project = site.parent / "project"
    text = SCRIPT.format(package=package, runtime=runtime, call=call)
    (project / "app.py").write_text(text)
    env = {"PYTHONPATH": search_path(site), "BUILDR_IN_CONTAINER": "0"}
    return python(*(words or ("app.py", "a b")), cwd=project, env=env)


def test_the_decorator_chooses_a_third_party_runner(site: Path) -> None:
    done = script(site, executor="Elsewhere", ports=[80])
    assert done.returncode == 7, done.stderr
    assert json.loads(done.stdout) == {
        "image": "localhost/buildr/app:latest",
        "command": ["python", "-u", "/app/app.py", "a b"],
        "ports": [80],
        "builder": "auto",
    }


def test_the_command_uses_the_runner_and_its_backend_builds(site: Path) -> None:
    words = ("-m", "buildr", "run", "--backend", "docker", "app.py")
    done = script(site, *words, executor="elsewhere")
    assert done.returncode == 7, done.stderr
    assert json.loads(done.stdout)["builder"] == "docker"


def test_a_runner_renders_the_plan(entry: Entry) -> None:
    manifest = renderer("elsewhere").render(planned_run(entry), "app")
    assert [*manifest.files] == ["app.json"]
    assert manifest.image == "localhost/buildr/app:latest"


def test_a_missing_feature_of_a_runner_is_reported(site: Path) -> None:
    done = script(site, call=".remote", executor="elsewhere")
    assert b"OptionError: the runner 'elsewhere' runs no single functions (.remote, .map)" in (
        done.stderr
    )
    with pytest.raises(OptionError, match="the runner 'quadlet' runs no scripts"):
        runner("quadlet")
    with pytest.raises(OptionError, match="the runner 'engine' writes nothing down"):
        renderer("engine")


def test_a_runner_that_cannot_be_imported_is_reported_with_its_distribution(entry: Entry) -> None:
    with pytest.raises(OptionError, match=r"the runner 'missing' \(thirdparty_runner_missing\)"):
        run_entry(entry, None, {"executor": "missing"})


def test_an_unknown_name_is_refused_with_all_known_ones(entry: Entry) -> None:
    with pytest.raises(OptionError) as refused:
        run_entry(entry, None, {"executor": "elsewere"})
    assert str(refused.value) == (
        "there is no engine or runner 'elsewere' (from the decorator)\n"
        "Choose one of: auto, podman, docker, elsewhere, missing."
    )
    with pytest.raises(OptionError, match="there is no runner 'nothing'"):
        call_runner("nothing")


@pytest.mark.parametrize(
    ("options", "flags", "expected"),
    [
        ({}, {}, ("engine", "auto", "auto")),
        ({"runtime": "podman"}, {}, ("engine", "podman", "podman")),
        ({"runtime": "podman"}, {"backend": "docker"}, ("engine", "docker", "docker")),
        ({"runtime": "elsewhere"}, {}, ("elsewhere", "elsewhere", "auto")),
        ({"runtime": "elsewhere"}, {"backend": "docker"}, ("elsewhere", "elsewhere", "docker")),
        ({"runtime": "elsewhere"}, {"builder": "docker"}, ("elsewhere", "elsewhere", "docker")),
        (
            {"runtime": "elsewhere", "package": "podman"},
            {},
            ("elsewhere", "elsewhere", "podman"),
        ),
        ({"package": "docker"}, {}, ("engine", "docker", "docker")),
    ],
)
def test_builder_and_executor_are_chosen(
    entry: Entry,
    options: dict[str, str],
    flags: dict[str, str],
    expected: tuple[str, str, str],
) -> None:
    names = {"package": "builder", "runtime": "executor"}
    groups = {group: {names[group]: value} for group, value in options.items()}
    choices = planned_run(entry, groups.get("package"), groups.get("runtime"), **flags).choices
    assert (choices.runner, choices.executor.name, choices.builder.name) == expected


def test_the_variable_chooses_the_builder(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_BACKEND", "docker")
    choices = planned_run(entry, None, {"executor": "elsewhere"}).choices
    assert (choices.runner, choices.builder.name) == ("elsewhere", "docker")


def test_a_fake_engine_is_not_a_runner(entry: Entry) -> None:
    with using(FakeBackend(lambda _container: 3)):
        assert run_entry(entry, None, {"executor": "mine"}) == 3
