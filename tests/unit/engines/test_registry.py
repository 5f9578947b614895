"""The choice of an engine: precedence, attempts, and fallback."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from buildr.engines import registry
from buildr.engines.records import Target
from buildr.engines.registry import Choice, choose, connect
from buildr.errors import (
    BackendError,
    EngineLostError,
    EngineNotFoundError,
    EngineTooOldError,
    EngineUnavailableError,
    OptionError,
)
from buildr.testing import FakeBackend, using

ABSENT_OR_BROKEN = [
    EngineNotFoundError("it is not installed", hint="Install it."),
    EngineUnavailableError("it does not answer", hint="Start it."),
    EngineTooOldError("it is too old", hint="Upgrade it."),
]


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUILDR_BACKEND", raising=False)


class Said(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)


# Who decides ------------------------------------------------------------------------------------------


def test_the_default_is_auto() -> None:
    assert choose() == Choice(name="auto", origin="default")


def test_the_decorator_decides() -> None:
    assert choose(option="docker") == Choice(name="docker", origin="the decorator")


def test_the_variable_precedes_the_decorator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_BACKEND", "podman")
    assert choose(option="docker") == Choice(name="podman", origin="BUILDR_BACKEND")


def test_the_builder_flag_has_precedence() -> None:
    assert choose(flag="docker", option="x", builder="Podman") == Choice(
        name="podman", origin="--builder"
    )


def test_the_flag_precedes_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_BACKEND", "podman")
    assert choose(flag="docker", option="podman") == Choice(name="docker", origin="--backend")


def test_an_empty_variable_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_BACKEND", "")
    assert choose(option="docker").name == "docker"


@pytest.mark.parametrize("spelt", ["Docker", " docker ", "DOCKER"])
def test_case_and_blanks_around_a_name_do_not_matter(
    monkeypatch: pytest.MonkeyPatch, spelt: str
) -> None:
    monkeypatch.setenv("BUILDR_BACKEND", spelt)
    assert choose().name == "docker"


# Auto -------------------------------------------------------------------------------------------------


def test_auto_chooses_podman_silently() -> None:
    podman, said = FakeBackend(name="podman"), Said()
    with using({"podman": podman, "docker": FakeBackend(name="docker")}):
        assert connect(choose(), said) is podman
    assert said == []


@pytest.mark.parametrize("why", ABSENT_OR_BROKEN)
def test_auto_falls_back_to_docker_and_says_so_in_one_line(why: BackendError) -> None:
    docker, said = FakeBackend(name="docker"), Said()
    with using({"podman": why, "docker": docker}):
        assert connect(choose(), said) is docker
    assert said == [f"using docker, since podman is not usable here: {why.what}"]
    assert "\n" not in said[0]


def test_without_any_engine_the_error_says_what_was_tried_and_what_to_do() -> None:
    podman, docker = ABSENT_OR_BROKEN[0], ABSENT_OR_BROKEN[1]
    with (
        using({"podman": podman, "docker": docker}),
        pytest.raises(EngineNotFoundError) as none,
    ):
        connect(choose(), Said())
    assert str(none.value) == (
        "no container engine can be used; tried\n"
        "  podman: it is not installed\n"
        "  docker: it does not answer\n"
        "podman: Install it.\ndocker: Start it."
    )


def test_auto_does_not_fall_back_on_other_errors() -> None:
    lost = EngineLostError("the answer broke off")
    with (
        using({"podman": lost, "docker": FakeBackend()}),
        pytest.raises(EngineLostError, match="the answer broke off"),
    ):
        connect(choose(), Said())


# A name -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["podman", "docker"])
@pytest.mark.parametrize("why", ABSENT_OR_BROKEN)
def test_a_named_engine_never_falls_back(name: str, why: BackendError) -> None:
    other = {"podman": "docker", "docker": "podman"}[name]
    said = Said()
    with using({name: why, other: FakeBackend()}), pytest.raises(type(why), match=why.what):
        connect(choose(option=name), said)
    assert said == []


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError) as unknown:
        connect(choose(option="podmn"), Said())
    assert unknown.value.what == "there is no backend 'podmn' (from the decorator)"
    assert unknown.value.hint.startswith("Choose one of: auto, podman, docker")


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_the_built_in_engines_are_entry_points_too(name: str) -> None:
    (point,) = entry_points(group=registry.ENTRY_POINTS, name=name)
    assert point.load() is registry.load(Choice(name=name, origin="test"))


def test_built_in_names_are_listed_first() -> None:
    assert registry.names()[:2] == ("podman", "docker")


def test_choosing_a_built_in_engine_reads_no_entry_points() -> None:
    code = """\
import sys
from buildr.engines.registry import Choice, load
load(Choice(name="podman", origin="test"))
print("importlib.metadata" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# The seam of the tests --------------------------------------------------------------------------------


def test_a_substitute_replaces_every_name() -> None:
    asked: list[str] = []
    backend = FakeBackend()

    def substitute(name: str) -> object:
        asked.append(name)
        return lambda _target: backend

    before, registry.substitute = registry.substitute, substitute  # type: ignore[assignment] # a function of functions
    try:
        for name in ("auto", "docker", "whatever"):
            assert connect(Choice(name=name, origin="test"), Said()) is backend
        assert registry.load(Choice(name="other", origin="test"))(Target()) is backend
    finally:
        registry.substitute = before
    assert asked == ["podman", "docker", "whatever", "other"]
