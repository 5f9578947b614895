"""Small changes: copied into the container, built on top of the last image, or built clean."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from buildr.engines.records import Image
from buildr.errors import BuildError
from buildr.host import cache
from buildr.image import base_content, incremental
from buildr.image.ensure import Wanted, make_ready
from buildr.options import PackageFile, package_options
from buildr.plan.entry import Entry
from buildr.plan.project import plan
from buildr.plan.stages import render_growth
from buildr.testing import FakeBackend

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.image.lookup import Growth, Ready


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "project"
    (directory / "sub").mkdir(parents=True)
    (directory / "app.py").write_text("print()\n")
    (directory / "sub" / "old").write_text("old\n")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BUILDR_BASE_IMAGE", "base:1")
    return directory


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


def ready(
    backend: FakeBackend, growth: Growth = "files", *, trust: bool = False, **options: Any
) -> Ready:
    entry = Entry(kind="script", script=str(Path("app.py").absolute()))
    project = plan(entry, package_options(options))
    return make_ready(backend, project, lambda _text: None, Wanted(growth=growth, trust=trust))


def members(files: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(files)) as tar:
        return {member.name: member for member in tar}


def operations(backend: FakeBackend) -> list[str]:
    """Return what the engine was asked, but for how many ids it has, which /etc/subuid mostly tells."""
    return [name for name in backend.operations if name != "details"]


def recipe(backend: FakeBackend) -> list[str]:
    """Return the instructions of the last build, but for the comment."""
    return backend.builds[-1].containerfile.splitlines()[1:]


def is_clean(backend: FakeBackend) -> bool:
    return "ENTRYPOINT" in backend.builds[-1].containerfile


# Put into the container -------------------------------------------------------------------------------


def test_a_changed_file_is_copied_into_a_container_of_the_same_image(
    backend: FakeBackend, directory: Path
) -> None:
    first = ready(backend)
    (directory / "app.py").write_text("print(2)\n")
    second = ready(backend)
    assert len(backend.builds) == 1
    assert (first.files, second.image) == (b"", first.image)
    assert list(members(second.files)) == ["app.py"]
    assert members(second.files)["app.py"].uid == 1000


def test_copied_files_are_those_that_differ_from_the_image(
    backend: FakeBackend, directory: Path
) -> None:
    ready(backend)
    (directory / "app.py").write_text("print(2)\n")
    ready(backend)
    (directory / "sub" / "new").write_text("")
    assert list(members(ready(backend).files)) == ["app.py", "sub", "sub/new"]


def test_nothing_is_copied_in_the_state_of_the_image(backend: FakeBackend, directory: Path) -> None:
    first = ready(backend)
    (directory / "app.py").write_text("print(2)\n")
    ready(backend)
    (directory / "app.py").write_text("print()\n")
    again = ready(backend)
    assert (again.image, again.files) == (first.image, b"")


def test_files_of_an_image_that_runs_as_root_belong_to_root(
    backend: FakeBackend, directory: Path
) -> None:
    ready(backend, user="root")
    (directory / "app.py").write_text("print(2)\n")
    assert members(ready(backend, user="root").files)["app.py"].uid == 0


# On top of the last image -----------------------------------------------------------------------------


def test_a_removed_file_is_removed_in_a_new_layer(backend: FakeBackend, directory: Path) -> None:
    first = ready(backend)
    (directory / "sub" / "old").unlink()
    second = ready(backend)
    from_, *rest = recipe(backend)
    assert from_ == f"FROM {first.image}"
    assert rest[0] == "USER 0:0"
    assert rest[1].startswith('RUN ["python", "-IS", "-c", ')
    assert rest[1].endswith(', "/app/sub/old"]')
    assert rest[2:] == ["USER 1000:0"]
    assert second.image != first.image
    assert second.files == b""


def test_a_removal_with_a_base_that_has_files_in_app_is_a_clean_build(
    backend: FakeBackend, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file of the base may come to light.
    monkeypatch.setattr(base_content, "place_in", lambda _backend, _base: "filled")
    ready(backend)
    (directory / "app.py").write_text("print(2)\n")
    assert ready(backend).files
    (directory / "sub" / "old").unlink()
    assert ready(backend).files == b""
    assert is_clean(backend)


def test_a_volume_in_app_requires_clean_builds(backend: FakeBackend, directory: Path) -> None:
    # Podman fills a volume from the image only while nothing has been put there, and what a step removes in one comes back.
    volumes = ("/var/lib/x", "/app/sub")
    base = Image(id=f"sha256:{1:064x}", command=("python3",), volumes=volumes)
    backend.add_image("docker.io/library/base:1", base)
    ready(backend)
    change(directory)
    assert ready(backend).files == b""
    (directory / "sub" / "old").unlink()
    ready(backend)
    assert [("ENTRYPOINT" in build.containerfile) for build in backend.builds] == [True] * 3


def test_changes_that_cannot_be_copied_become_a_new_layer(
    backend: FakeBackend, directory: Path
) -> None:
    first = ready(backend)
    (directory / "app.py").write_text("print(2)\n")
    ready(backend, "images")
    assert recipe(backend) == [
        f"FROM {first.image}",
        'COPY --chown=1000:0 ["context/", "/app/"]',
    ]
    assert list(backend.builds[-1].files) == ["Containerfile", "context", "context/app.py"]


def test_a_file_that_becomes_a_folder_is_removed_first(
    backend: FakeBackend, directory: Path
) -> None:
    ready(backend)
    (directory / "sub" / "old").unlink()
    (directory / "sub" / "old").mkdir()
    ready(backend)
    assert [line.partition(" ")[0] for line in recipe(backend)] == [
        "FROM",
        "USER",
        "RUN",
        "USER",
        "COPY",
    ]


def test_the_incremental_image_is_found_again_and_extended(
    backend: FakeBackend, directory: Path
) -> None:
    ready(backend)
    (directory / "sub" / "old").unlink()
    grown = ready(backend)
    assert ready(backend) == grown
    (directory / "app.py").write_text("print(2)\n")
    assert ready(backend).image == grown.image
    assert len(backend.builds) == 2


def test_an_incremental_image_is_not_the_tagged_one(backend: FakeBackend, directory: Path) -> None:
    first = ready(backend)
    (directory / "sub" / "old").unlink()
    ready(backend)
    named = backend.image("localhost/buildr/app:latest")
    assert named is not None
    assert named.id == first.image


def test_large_changes_become_an_image(
    backend: FakeBackend, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(backend)
    monkeypatch.setattr(incremental, "_PUT_BYTES", 10)
    (directory / "app.py").write_text("print(123456789)\n")
    assert ready(backend).files == b""
    assert not is_clean(backend)
    monkeypatch.setattr(incremental, "_PUT_BYTES", 1000)
    monkeypatch.setattr(incremental, "_PUT_ENTRIES", 2)
    for name in "abc":
        (directory / name).write_text("")
    assert ready(backend).files == b""
    assert not is_clean(backend)


# Without asking ---------------------------------------------------------------------------------------


def test_the_last_image_is_run_without_a_lookup(backend: FakeBackend) -> None:
    first = ready(backend)
    backend.operations.clear()
    again = ready(backend, trust=True)
    assert (again.image, again.variables) == (first.image, first.variables)
    assert operations(backend) == ["image"]  # the base: somebody may have pulled a newer one


def test_an_incremental_image_is_run_without_a_lookup(
    backend: FakeBackend, directory: Path
) -> None:
    ready(backend)
    (directory / "sub" / "old").unlink()
    grown = ready(backend)
    backend.operations.clear()
    assert ready(backend, trust=True) == grown
    assert operations(backend) == ["image"]


def test_an_incremental_image_does_not_count_as_clean(
    backend: FakeBackend, directory: Path
) -> None:
    ready(backend)
    (directory / "sub" / "old").unlink()
    grown = ready(backend)
    assert ready(backend, "clean", trust=True).image != grown.image


def test_after_a_change_the_last_image_is_not_reused(backend: FakeBackend, directory: Path) -> None:
    first = ready(backend)
    change(directory)
    assert ready(backend, trust=True).files
    (directory / "requirements.txt").write_text("six\n")
    assert ready(backend, trust=True).image != first.image


def test_a_newer_base_is_noticed(backend: FakeBackend) -> None:
    ready(backend)
    backend.remove_image("docker.io/library/base:1")
    newer = Image(id=f"sha256:{1:064x}", command=("python3",))
    backend.add_image("docker.io/library/base:1", newer)
    ready(backend, trust=True)
    assert len(backend.builds) == 2


# Clean ------------------------------------------------------------------------------------------------


def change(directory: Path) -> None:
    (directory / "app.py").write_text("print(2)\n")


def test_a_requested_clean_image_is_clean(backend: FakeBackend, directory: Path) -> None:
    ready(backend)
    change(directory)
    assert ready(backend, "clean").files == b""
    assert is_clean(backend)


def test_a_clean_image_is_not_an_incremental_one_of_the_same_state(
    backend: FakeBackend, directory: Path
) -> None:
    ready(backend)
    (directory / "sub" / "old").unlink()
    grown = ready(backend)
    clean = ready(backend, "clean")
    assert is_clean(backend)
    assert clean.image != grown.image
    assert ready(backend).image == clean.image


def test_after_twenty_deltas_an_image_is_built_clean(backend: FakeBackend, directory: Path) -> None:
    for number in range(22):
        (directory / f"{number}").write_text("")
    ready(backend)
    kinds = []
    for number in range(22):
        (directory / f"{number}").unlink()
        ready(backend)
        kinds.append(is_clean(backend))
    assert kinds == [False] * 20 + [True, False]


def test_a_delta_of_half_the_context_is_built_clean(
    backend: FakeBackend, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incremental, "_FREE_BYTES", 0)
    monkeypatch.setattr(incremental, "_PUT_BYTES", 0)
    (directory / "data").write_bytes(bytes(100))
    ready(backend)
    (directory / "data").write_bytes(b"x" * 100)
    ready(backend)
    assert is_clean(backend)


@pytest.mark.parametrize(
    "destination", ["/app/extra", "/app/", "/app"], ids=["below", "folder", "in place"]
)
def test_other_files_in_app_require_clean_builds(
    backend: FakeBackend, directory: Path, destination: str
) -> None:
    (directory / "extra").write_text("")
    options: dict[str, Any] = {"additional_files": [PackageFile("extra", destination)]}
    ready(backend, **options)
    change(directory)
    ready(backend, **options)
    assert is_clean(backend)


def test_files_elsewhere_do_not_matter(backend: FakeBackend, directory: Path) -> None:
    (directory / "extra").write_text("")
    options: dict[str, Any] = {"additional_files": [PackageFile("extra", "/application")]}
    ready(backend, **options)
    change(directory)
    assert ready(backend, **options).files


def test_other_changes_are_built_clean(backend: FakeBackend, directory: Path) -> None:
    ready(backend)
    change(directory)
    (directory / "requirements.txt").write_text("six\n")
    assert ready(backend).files == b""
    assert is_clean(backend)


def test_a_requirement_in_the_source_is_built_clean(backend: FakeBackend, directory: Path) -> None:
    (directory / "requirements.txt").write_text("./sub\n")
    ready(backend)
    change(directory)
    ready(backend)
    assert is_clean(backend)


def test_a_lock_with_a_package_of_the_source_is_built_clean(
    backend: FakeBackend, directory: Path
) -> None:
    (directory / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "x"\n'
        '[[packages]]\nname = "sub"\ndirectory = { path = "sub" }\n'
    )
    ready(backend)
    change(directory)
    ready(backend)
    assert is_clean(backend)


def test_a_user_s_containerfile_is_built_clean(backend: FakeBackend, directory: Path) -> None:
    (directory / "Dockerfile").write_text('FROM base:1\nCOPY . /app\nCMD ["python", "app.py"]\n')
    ready(backend, dockerfile="Dockerfile")
    change(directory)
    builds = len(backend.builds)
    assert ready(backend, dockerfile="Dockerfile").files == b""
    assert len(backend.builds) == builds + 2  # the user's own, and the guest part on it


def test_hard_links_are_built_clean(backend: FakeBackend, directory: Path) -> None:
    os.link(directory / "app.py", directory / "again.py")
    ready(backend)
    with (directory / "app.py").open("a") as file:
        file.write("print()\n")
    ready(backend)
    assert is_clean(backend)


def forget(backend: FakeBackend) -> None:
    for image in list(backend.images({})):
        for tag in image.tags:
            if tag.startswith("localhost/buildr/app:"):
                backend.remove_image(tag)


def lose_the_state(_backend: FakeBackend) -> None:
    for path in (Path(cache.directory()) / "state").iterdir():
        path.write_bytes(b"damaged")


def lose_the_last(_backend: FakeBackend) -> None:
    for path in (Path(cache.directory()) / "last").iterdir():
        path.unlink()


def know_another_state(_backend: FakeBackend) -> None:
    """Leave what a run beside this one leaves when it is killed between its two files."""
    (path,) = (Path(cache.directory()) / "state").iterdir()
    cache.store("state", path.name, b"another digest", msgspec.msgpack.encode(((), ())))


def know_nonsense(_backend: FakeBackend) -> None:
    for kind in ("state", "last"):
        (path,) = (Path(cache.directory()) / kind).iterdir()
        parts = cache.load(kind, path.name) or []
        cache.store(
            kind,
            path.name,
            *(b"\xc1" if i == len(parts) - 1 else bytes(p) for i, p in enumerate(parts)),
        )


@pytest.mark.parametrize(
    "loss", [forget, lose_the_state, lose_the_last, know_another_state, know_nonsense]
)
def test_lost_state_of_the_last_image_requires_a_clean_build(
    backend: FakeBackend, directory: Path, loss: Callable[[FakeBackend], None]
) -> None:
    ready(backend)
    loss(backend)
    change(directory)
    assert ready(backend).files == b""
    assert is_clean(backend)


def test_an_image_rebuilt_by_another_process_is_not_extended(
    backend: FakeBackend, directory: Path
) -> None:
    first = backend.image(ready(backend).image)
    assert first is not None
    another = Image(id=f"sha256:{1:064x}", command=("python3",))
    for tag in (
        first.tags
    ):  # `buildr build --no-cache` of another user, and a prune of what has no name then
        backend.remove_image(tag)
        backend.add_image(tag, another)
    change(directory)
    assert ready(backend, trust=True).image == first.id  # it has not been asked for yet
    assert ready(backend).image != first.id
    assert is_clean(backend)


def test_each_engine_has_its_own_last_image(directory: Path) -> None:
    podman, docker = FakeBackend(name="podman"), FakeBackend(name="docker")
    ready(podman)
    change(directory)
    assert ready(docker).files == b""
    assert is_clean(docker)
    assert ready(podman).files


def test_an_image_that_cannot_be_extended_is_built_clean(
    backend: FakeBackend, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(backend)
    (directory / "sub" / "old").unlink()
    build = backend.build

    def failing(request: Any, on_event: Any) -> str:
        image = build(request, on_event)
        if not is_clean(backend):
            raise BuildError("no shell, no nothing")
        return image

    monkeypatch.setattr(backend, "build", failing)
    ready(backend)
    assert is_clean(backend)


@pytest.mark.parametrize("name", ["x" * 200, "\udcff"])
def test_names_that_do_not_fit_an_instruction_are_built_clean(
    backend: FakeBackend, directory: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(incremental, "_MOST_REMOVED", 100)
    (directory / name).write_text("")
    ready(backend)
    (directory / name).unlink()
    ready(backend)
    assert is_clean(backend)


# The Containerfile ------------------------------------------------------------------------------------


def test_names_are_only_arguments() -> None:
    name = 'a"b\\c $HOME\n${x} é'
    lines = render_growth("sha256:1", "1000", (name,), put=False).splitlines()
    assert len(lines) == 5
    command = msgspec.json.decode(lines[3].removeprefix("RUN "), type=list[str])
    assert command[-1] == f"/app/{name}"
    assert command[:3] == ["python", "-IS", "-c"]


def test_the_command_removes_files_links_and_folders(tmp_path: Path) -> None:
    import subprocess
    import sys

    top = tmp_path / "top"
    (top / "folder" / "deep").mkdir(parents=True)
    (top / "file").write_text("")
    (top / "stays").mkdir()
    (top / "link").symlink_to("stays")
    text = render_growth("sha256:1", "1000", ("x",), put=False)
    program = msgspec.json.decode(text.splitlines()[3].removeprefix("RUN "), type=list[str])[3]
    gone = [str(top / name) for name in ("folder", "file", "link")]
    subprocess.run([sys.executable, "-IS", "-c", program, *gone], check=True)
    assert os.listdir(top) == ["stays"]
