"""The user's own Containerfile: what its build is asked for, and what becomes of a builder that cannot be pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from buildr.archive.archive import Archive
from buildr.engines.progress import Progress
from buildr.engines.records import Builder, Event, Image
from buildr.errors import BuildError, OptionError
from buildr.image.base_images import find_bases
from buildr.image.ensure import ensure_image
from buildr.testing import FakeBackend
from tests.unit.planning import one_script, planned

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.engines.records import BuildRequest, EngineInfo, OnEvent

BUILDKIT = Builder(name="BuildKit", lacks={"here-documents": "Docker 23"}, frontends=True)
VALUE = "hush-hush-hush"


class Recording(FakeBackend):
    """An engine that keeps what it is asked to build, and whose builds of a user's own file can fail."""

    def __init__(self, *failures: BuildError, builder: Builder = BUILDKIT) -> None:
        super().__init__()
        self.requests: list[BuildRequest] = []
        self._failures = list(failures)
        self._builder = builder
        self.add_image("docker.io/library/x:latest")

    @property
    def info(self) -> EngineInfo:
        """With the builder."""
        return replace(super().info, builder=self._builder)

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """Keep the request."""
        if request.own:
            self.requests.append(request)
            on_event(Event(kind="log", text=f"said {VALUE}"))
            if self._failures:
                raise self._failures.pop(0)
        return super().build(request, on_event)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return one_script(tmp_path, monkeypatch)


def build(backend: FakeBackend, project: Path, text: str, **package: Any) -> list[str]:
    (project / "Own").write_text(text)
    said: list[str] = []
    ensure_image(backend, planned(dockerfile="Own", **package), said.append)
    return said


def sent(request: BuildRequest) -> bytes:
    assert isinstance(request.context, Archive)
    [text] = [m.data for m in request.context.members if m.path == request.containerfile]
    return text


def test_only_the_user_s_own_file_uses_the_best_builder(project: Path) -> None:
    backend = Recording()
    build(backend, project, "FROM x\nCMD run")
    [request] = backend.requests
    assert sent(request) == b"FROM x\nCMD run"
    assert len(backend.builds) == 2, "the guest part is a build of its own"


def test_a_frontend_that_cannot_be_pulled_is_left_out(project: Path) -> None:
    failure = BuildError("x", step="resolve image config for docker.io/docker/dockerfile:1")
    backend = Recording(failure)
    said = build(backend, project, "# syntax=docker/dockerfile:1\nFROM x\nCMD run")
    assert [sent(request) for request in backend.requests] == [
        b"# syntax=docker/dockerfile:1\nFROM x\nCMD run",
        b"\nFROM x\nCMD run",
    ]
    assert [line for line in said if "docker/dockerfile:1 cannot be pulled" in line]


@pytest.mark.parametrize(
    ("syntax", "step"),
    [
        ("docker/dockerfile:1", "RUN false"),
        ("me/own:1", "resolve image config for docker.io/me/own:1"),
    ],
)
def test_other_failures_are_final(project: Path, syntax: str, step: str) -> None:
    backend = Recording(BuildError("no", step=step))
    with pytest.raises(BuildError, match="no"):
        build(backend, project, f"# syntax={syntax}\nFROM x\nCMD run")
    assert len(backend.requests) == 1


def test_features_of_a_missing_frontend_are_reported(project: Path) -> None:
    backend = Recording(BuildError("x", step="resolve image config for docker/dockerfile:1"))
    with pytest.raises(BuildError, match="line 3: BuildKit does not know here-documents") as error:
        build(backend, project, "# syntax=docker/dockerfile:1\nFROM x\nRUN <<E\ntrue\nE\n")
    assert "# syntax=" not in str(error.value.hint)


def test_secrets_reach_the_build_and_are_hidden_in_its_output(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKEN", VALUE)
    (project.parent / "file").write_bytes(b"\xff in a file")
    backend = Recording(BuildError(f"no {VALUE}", step=f"RUN {VALUE}", hint=f"tail {VALUE}"))
    secrets = ["id=TOKEN", f"id=f,src={project.parent / 'file'}"]
    with pytest.raises(BuildError) as error:
        build(backend, project, "FROM x\nCMD run", secrets=secrets, verbose=True)
    [request] = backend.requests
    assert request.secrets.values == {"TOKEN": VALUE.encode(), "f": b"\xff in a file"}
    shown = (error.value.what, error.value.step, str(error.value.hint), capfd.readouterr().err)
    assert not [text for text in map(str, shown) if VALUE in text]
    assert "no ****" in str(error.value.what)


def test_a_missing_secret_is_reported_before_the_build(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOKEN", raising=False)
    backend = Recording()
    with pytest.raises(OptionError, match="TOKEN"):
        build(backend, project, "FROM x\nCMD run", secrets=["id=TOKEN"])
    assert backend.requests == []


@pytest.mark.parametrize("all_stages", [True, False])
def test_only_needed_images_are_pulled(project: Path, all_stages: bool) -> None:
    backend = Recording(builder=Builder(all_stages=all_stages))
    (project / "Own").write_text("FROM unneeded AS test\nFROM x\nCMD run")
    with Progress("pulling") as progress:
        find_bases(backend, planned(dockerfile="Own"), progress)
    assert backend.pulled == (["docker.io/library/unneeded"] if all_stages else [])


@pytest.mark.parametrize("own", [True, False])
def test_a_base_image_with_onbuild_requests_is_refused(project: Path, own: bool) -> None:
    backend = Recording()
    triggers = ("COPY . /src", "RUN --network=host curl -s localhost")
    backend.add_image("docker.io/library/y:latest", Image(id="", triggers=triggers))
    (project / "Own").write_text("FROM y\nCMD true\n")
    package: dict[str, Any] = (
        {"dockerfile": "Own"} if own else {"base_image": "docker.io/library/y:latest"}
    )
    with pytest.raises(BuildError) as caught:
        ensure_image(backend, planned(**package), lambda _: None)
    assert caught.value.what == (
        "the base image docker.io/library/y:latest asks for more, in each build on top of it (ONBUILD), than the build's own files and"
        " a private network: the network of this host, with what listens on 127.0.0.1 there, for its steps"
    )
    assert not backend.builds
