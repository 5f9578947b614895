"""The features of the engines' builders, by version and choice."""

from __future__ import annotations

import pytest

from buildr_backends.docker import builder as docker
from buildr_backends.podman import builder as podman


def test_features_of_podman_depend_on_its_version() -> None:
    old = podman.builder((4, 3))
    assert old.lacks["here-documents"] == "Podman 4.8"
    assert old.lacks["COPY --link"] == "Podman 5.4"
    assert not old.all_stages
    assert podman.builder((4, 0)).all_stages
    assert "here-documents" not in podman.builder((4, 8)).lacks
    assert podman.builder((5, 8)).lacks == {}


def test_docker_builds_with_buildkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_BUILDKIT", raising=False)
    old = docker.builder("20.10.24+dfsg1", "")
    assert (old.name, old.frontends) == ("BuildKit in Docker 20.10.24+dfsg1", True)
    assert old.lacks["here-documents"] == "Docker 23"
    assert "RUN --mount" not in old.lacks
    assert docker.builder("28.5.2", "2").lacks == {}
    assert docker.builder("library-import", "2").lacks == {}


@pytest.mark.parametrize(
    ("variable", "announced", "is_classic"),
    [
        (None, "", False),
        (None, "2", False),
        (None, "1", True),
        ("1", "1", False),
        ("0", "2", True),
        ("false", "", True),
        ("", "1", True),
    ],
)
def test_the_classic_builder_is_chosen_like_in_docker(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, announced: str, is_classic: bool
) -> None:
    monkeypatch.delenv("DOCKER_BUILDKIT", raising=False)
    if variable is not None:
        monkeypatch.setenv("DOCKER_BUILDKIT", variable)
    found = docker.builder("28.5.2", announced)
    assert found.all_stages is is_classic
    assert ("RUN --mount" in found.lacks) is is_classic
    assert found.frontends is not is_classic
