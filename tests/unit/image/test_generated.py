"""A clean image is built without the source, which is appended as a layer if the engine supports it."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from buildr.engines.records import Image
from buildr.errors import BuildError, ContextError, EngineError, EngineLostError
from buildr.image.ensure import ensure_image
from buildr.installer.advice import ADVICE
from buildr.plan.containerfile import render
from buildr.testing import FakeBackend
from tests.unit.housekeeping import clean_up
from tests.unit.planning import one_script, planned

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.engines.records import Layer, OnEvent


class Appending(FakeBackend):
    """A fake engine that can append a layer.

    Attributes:
        layers: what it was given: the image below, the layer, and its bytes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[tuple[str, Layer, bytes]] = []

    def appends(self) -> bool:
        return True

    def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:  # noqa: ARG002 - the protocol's signature
        self._called("append")
        data = b"".join(layer.content)
        self.layers.append((image, layer, data))
        return self._images.add(replace(self._images.get(image), id=""), repr((image, data))).id


@pytest.fixture(autouse=True)
def project_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return one_script(tmp_path, monkeypatch)


def ensure(backend: FakeBackend, **options: Any) -> str:
    return ensure_image(backend, planned(), lambda _text: None, **options)


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar}


def test_the_source_is_the_top_layer() -> None:
    backend = Appending()
    image = backend.image(ensure(backend))
    (built,) = backend.builds
    ((below, layer, data),) = backend.layers
    assert not any(name.startswith("context") for name in built.files)
    assert "context/" not in built.containerfile
    assert backend.image(built.tags[0]) == backend.image(below)
    assert len(data) == layer.size
    assert layer.created_by == 'COPY --chown=1000:0 ["context/", "/app/"]'
    found = members(data)
    assert {"app", "app/app.py"} <= found.keys()
    assert {(member.uid, member.gid) for member in found.values()} == {(1000, 0)}
    assert found["app"].mode == 0o775
    assert image is not None
    assert "localhost/buildr/app:latest" in image.tags


def test_everything_below_the_source_is_built_once(project_directory: Path) -> None:
    backend = Appending()
    first = ensure(backend)
    (project_directory / "app.py").write_text("print('changed')\n")
    assert ensure(backend) != first
    assert (len(backend.builds), len(backend.layers)) == (1, 2)


def test_without_a_cache_everything_is_rebuilt() -> None:
    backend = Appending()
    ensure(backend)
    ensure(backend, cache=False)
    assert [build.cache for build in backend.builds] == [True, False]


def test_a_layered_image_is_found_again() -> None:
    backend = Appending()
    assert ensure(backend) == ensure(backend)
    assert len(backend.layers) == 1


def test_an_engine_that_refuses_the_layer_builds_everything() -> None:
    backend = Appending()
    backend.fail("append", EngineError("no", status=500, message="not like this"))
    ensure(backend)
    _, whole = backend.builds
    assert "context/app.py" in whole.files
    assert 'COPY --chown=1000:0 ["context/", "/app/"]' in whole.containerfile


def test_an_engine_without_layers_builds_only_once() -> None:
    backend = FakeBackend()
    ensure(backend)
    (whole,) = backend.builds
    assert "context/app.py" in whole.files
    assert "append" not in backend.operations


def test_a_lost_engine_is_not_asked_again() -> None:
    backend = Appending()
    backend.fail("append", EngineLostError("gone"))
    with pytest.raises(EngineLostError):
        ensure(backend)
    assert len(backend.builds) == 1


def test_an_unreadable_file_is_an_error(project_directory: Path) -> None:
    class Slow(Appending):
        def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
            (project_directory / "app.py").unlink()
            return super().append(image, layer, on_event)

    with pytest.raises(ContextError, match=r"app\.py"):
        ensure(Slow())


def test_sparse_files_need_a_build(project_directory: Path) -> None:
    with (project_directory / "disk").open("wb") as file:
        file.truncate(2 << 20)
    if (project_directory / "disk").stat().st_blocks:
        pytest.skip("no sparse files here")
    backend = Appending()
    ensure(backend)
    assert backend.layers == []
    (project_directory / "disk").write_bytes(b"x" * (2 << 20))
    ensure(backend)
    assert len(backend.layers) == 1


@pytest.mark.parametrize("requirement", ["-e .", "./local"])
def test_a_requirement_in_the_source_needs_a_build(
    project_directory: Path, requirement: str
) -> None:
    (project_directory / "local").mkdir()
    for folder in (project_directory, project_directory / "local"):
        (folder / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    (project_directory / "requirements.txt").write_text(f"{requirement}\n")
    backend = Appending()
    ensure(backend)
    assert backend.layers == []


@pytest.mark.parametrize("volume", ["/app", "/app/data"])
def test_a_base_with_a_volume_at_the_source_needs_a_build(volume: str) -> None:
    backend = Appending()
    base = Image(id=f"sha256:{1:064x}", command=("python3",), volumes=(volume,))
    backend.add_image("docker.io/library/python:3-alpine", base)
    ensure(backend)
    assert backend.layers == []
    assert "context/app.py" in backend.builds[0].files


def test_old_images_are_removed_and_parents_of_the_newest_kept(project_directory: Path) -> None:
    backend = Appending()
    for number in range(6):
        (project_directory / "app.py").write_text(f"print({number})\n")
        ensure(backend)
        clean_up(backend)
    tags = [tag for image in backend.images({}) for tag in image.tags]
    assert sum(tag.endswith("-prepared") for tag in tags) == 1
    assert len([image for image in backend.images({}) if image.tags]) == 1 + 4 + 1  # the base, too
    ensure(backend)
    assert len(backend.builds) == 1


def save(path: Path, text: str) -> None:
    """Write a file as most editors do: in place, so that it is the same file and longer now."""
    with path.open("r+") as file:
        file.write(text)


class Edited(Appending):
    """A slow engine: the script is edited before it is sent.

    Args:
        script: the file that is edited.
        times: how often.
    """

    def __init__(self, script: Path, times: int) -> None:
        super().__init__()
        self._script = script
        self._times = times

    def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
        if self._times:
            self._times -= 1
            save(self._script, f"print('{self._times} more edits follow this one')\n")
        return super().append(image, layer, on_event)


@pytest.mark.parametrize("times", [1, 2])
def test_edits_during_a_long_build_are_in_the_image_of_the_later_state(
    project_directory: Path, times: int
) -> None:
    script = project_directory / "app.py"
    backend = Edited(script, times)
    said: list[str] = []
    image = ensure_image(backend, planned(), said.append)
    assert len(said) == len(set(said))
    assert sent(backend, "app/app.py") == script.read_bytes()
    assert script.read_bytes() == b"print('0 more edits follow this one')\n"
    assert backend.image(image) is not None


def sent(backend: Appending, path: str) -> bytes:
    """Return what a file holds in the layer that was taken."""
    ((_, layer, data),) = backend.layers
    assert len(data) == layer.size
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        content = tar.extractfile(path)
        assert content is not None
        return content.read()


def test_a_constantly_changing_file_is_sent_as_it_was_read(
    project_directory: Path,
) -> None:
    backend = Edited(project_directory / "app.py", 3)
    ensure(backend)
    assert sent(backend, "app/app.py") == b"print('1 more edits follow this one')\n"


def test_a_large_constantly_changing_file_is_an_error(project_directory: Path) -> None:
    class Rewritten(Appending):
        def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
            save(project_directory / "database", f"{len(self.operations):9}" * (1 << 20))
            return super().append(image, layer, on_event)

    (project_directory / "database").write_bytes(b"123456789" * (1 << 20))
    backend = Rewritten()
    with pytest.raises(ContextError, match="database changed while it was read"):
        ensure(backend)
    assert backend.layers == []


def test_files_that_come_and_go_do_no_harm(project_directory: Path) -> None:
    class Busy(Appending):
        def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
            for file in project_directory.glob("*.tmp"):
                file.unlink()
            (project_directory / f"{len(self.operations)}.tmp").write_text("for now")
            return super().append(image, layer, on_event)

    (project_directory / "first.tmp").write_text("for now")
    backend = Busy()
    ensure(backend)
    assert len(backend.layers) == 1


# Failing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "reason", "advice"),
    [
        (
            "error: command 'gcc' failed: No such file or directory",
            "a package is compiled, and gcc is missing",
            '{"system_packages": ["gcc", "musl-dev"]}',
        ),
        ("ERROR: something new", "something new", ADVICE),
        ("", "status 1", ADVICE),
    ],
)
def test_a_failure_of_pip_begins_with_the_reason_and_ends_with_advice(
    project_directory: Path, log: str, reason: str, advice: str
) -> None:
    (project_directory / "requirements.txt").write_text("humanize\n")
    project = planned()
    step = next(line for line in render(project.recipe).splitlines() if "pip install" in line)
    backend = FakeBackend()
    error = BuildError(f"the build failed in `{step}`: status 1", step=step, hint=log)
    backend.fail("build", error)
    with pytest.raises(BuildError) as failed:
        ensure_image(backend, project, lambda _text: None)
    assert failed.value.what == f"dependencies cannot be installed: {reason}"
    assert failed.value.hint.startswith(log)
    assert advice in failed.value.hint
    assert failed.value.step == step


def test_other_failed_steps_have_no_such_advice() -> None:
    backend = FakeBackend()
    backend.fail("build", BuildError("the build failed", step="RUN make", hint="no"))
    with pytest.raises(BuildError) as failed:
        ensure(backend)
    assert failed.value.hint == "no"
