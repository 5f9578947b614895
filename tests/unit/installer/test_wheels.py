"""Installing with the cache of wheels, on an engine in memory: when it is used, what it makes, when a build installs."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from buildr.errors import BuildError, ContainerError, EngineError
from buildr.image.ensure import Wanted, ensure_image, make_ready
from buildr.installer.installation import Installed
from buildr.installer.wheels import cache_volumes
from buildr.labels import WHEELS
from buildr.leftovers import tasks
from buildr.leftovers.old_images import old_images
from buildr.options import package_options
from buildr.plan.entry import Entry
from buildr.plan.project import plan
from buildr.testing import FakeBackend
from tests.unit.housekeeping import clean_up
from tests.unit.installer.locked import lock
from tests.unit.installer.test_installation import Installer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("directory")


def engine(guest: Installer | None = None) -> FakeBackend:
    return FakeBackend(guest or Installer(), installs=True)


def run(
    backend: FakeBackend, *, script: str = "app.py", wheels: bool = True, **options: Any
) -> str:
    """Make the image of a run ready."""
    project = plan(Entry(kind="script", script=os.path.abspath(script)), package_options(options))
    return make_ready(backend, project, lambda _text: None, Wanted(wheels=wheels)).image


def build(backend: FakeBackend, **options: Any) -> str:
    project = plan(Entry(kind="script", script=os.path.abspath("app.py")), package_options(options))
    return ensure_image(backend, project, lambda _text: None)


def by_pip(backend: FakeBackend) -> list[bool]:
    """Return of each build whether a step of it runs pip."""
    return ["pip install" in made.containerfile for made in backend.builds]


def test_a_run_installs_in_a_container_with_the_user_s_volume() -> None:
    guest = Installer()
    backend = engine(guest)
    image = backend.image(run(backend))
    assert by_pip(backend) == [False, False, False]
    (container,) = backend.runs
    (mount,) = container.spec.mounts
    assert (mount.kind, mount.source) == ("volume", f"buildr-wheels-{os.getuid()}")
    assert container.removed
    order = guest.orders[0]
    assert order["cache"]["root"] == mount.target
    assert order["keep_files"] is True
    assert order["installs"] == [
        [
            "--disable-pip-version-check",
            "-r",
            "/usr/local/share/buildr/dependencies/requirements.txt",
        ]
    ]
    assert image is not None
    assert WHEELS in image.labels


def test_the_parts_before_and_after_the_installation_are_the_whole_recipe(directory: Path) -> None:
    (directory / "requirements.txt").write_text("rich\n")
    backend = engine()
    run(backend, system_packages=["git"])
    ground, installed, rest = (made.containerfile for made in backend.builds)
    whole = FakeBackend()
    run(whole, wheels=False, system_packages=["git"])
    (plain,) = (made.containerfile for made in whole.builds)
    assert 'ADD ["installed.tar", "/"]' in installed

    def steps(text: str) -> list[str]:
        lines = text.replace("\\\n", "").splitlines()
        return [line for line in lines if line and line[0] not in "# " and "FROM " not in line]

    of_installation = [line for line in steps(plain) if "pip" in line or "dependencies/" in line]
    assert len(of_installation) == 2
    assert [*steps(ground)[:-1], *steps(rest)] == [
        line for line in steps(plain) if line not in of_installation
    ]
    assert steps(ground)[-1] == 'LABEL buildr.ground="true"'


def test_a_second_script_with_the_same_dependencies_installs_nothing(directory: Path) -> None:
    (directory / "worker.py").write_text("print()\n")
    guest = Installer()
    backend = engine(guest)
    run(backend)
    run(backend, script="worker.py")
    assert len(guest.orders) == 1
    (directory / "requirements.txt").write_text("rich\nsix\n")
    run(backend)
    assert len(guest.orders) == 2


def test_runs_and_builds_reuse_each_other_s_installation(directory: Path) -> None:
    backend = engine()
    assert build(backend) == run(backend)
    assert backend.runs == []
    (directory / "requirements.txt").write_text("six\n")
    assert run(backend) == build(backend)
    assert len(backend.runs) == 1


def test_published_images_never_use_the_cache() -> None:
    backend = engine()
    options: dict[str, Any] = {"repository": "registry.example.org/me"}
    ran = run(backend, **options)
    published = build(backend, publish=True, **options)
    assert published != ran
    assert by_pip(backend)[-1]
    image = backend.image(published)
    assert image is not None
    assert WHEELS not in image.labels
    assert run(backend, **options) == published


@pytest.mark.parametrize(("options", "wheels"), [({"secrets": ["id=TOKEN"]}, True), ({}, False)])
def test_without_the_option_there_is_no_volume(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], wheels: bool
) -> None:
    monkeypatch.setenv("TOKEN", "hunter2-hunter2")
    backend = engine()
    run(backend, wheels=wheels, **options)
    assert "make_volume" not in backend.operations
    assert all(not container.spec.mounts for container in backend.runs)


@pytest.mark.parametrize("operation", ["make_volume", "create"])
def test_a_build_installs_if_the_engine_refuses_the_volume(operation: Any) -> None:
    backend = engine()
    error: Any = (
        ContainerError("no such container")
        if operation == "create"
        else EngineError("no", status=500, message="not here")
    )
    backend.fail(operation, error)
    image = backend.image(run(backend))
    assert by_pip(backend)[-1]
    assert image is not None
    assert WHEELS not in image.labels


def test_a_requirement_in_the_source_is_installed_by_a_build(directory: Path) -> None:
    (directory / "requirements.txt").write_text("./lib\n")
    (directory / "lib").mkdir()
    (directory / "lib/pyproject.toml").write_text("")
    backend = engine()
    run(backend)
    assert by_pip(backend) == [True]
    assert backend.runs == []


def test_a_build_installs_only_the_locked_packages_of_the_source(directory: Path) -> None:
    lock(directory)
    guest = Installer()
    backend = engine(guest)
    run(backend)
    assert [words[-1].rpartition("/")[2] for words in guest.orders[0]["installs"]] == ["locked.txt"]
    last = backend.builds[-1].containerfile
    assert "local.txt" in last
    assert "locked.txt" not in last


def test_the_error_shows_pip_s_message_and_how_to_remove_a_damaged_cache() -> None:
    guest = Installer()
    guest.status = 2
    guest.says = b"ERROR: Wheel at /run/buildr-wheels/for-1/x.whl is invalid.\n"
    with pytest.raises(
        BuildError, match=r"dependencies cannot be installed: Wheel at .* is invalid"
    ) as failed:
        run(engine(guest))
    assert "is invalid." in failed.value.hint
    assert "`buildr prune --cache`" in failed.value.hint
    guest.says = b"ERROR: no such package\n"
    with pytest.raises(BuildError) as failed:
        run(engine(guest))
    assert "prune" not in failed.value.hint


def test_base_images_with_other_libraries_have_separate_wheels() -> None:
    guest = Installer()
    backend = engine(guest)
    run(backend)
    run(backend, variant="slim")
    run(backend, system_packages=["git"])
    run(backend, dependencies=["six"])
    keys = [order["cache"]["key"] for order in guest.orders]
    assert len(set(keys)) == 3
    assert keys[3] == keys[0]


def test_old_images_of_installations_are_removed(directory: Path) -> None:
    guest = Installer()
    backend = engine(guest)
    for version in range(4):
        guest.files = {"usr/lib/rich.py": str(version).encode()}
        (directory / "requirements.txt").write_text(f"rich=={version}\n")
        project = plan(Entry(kind="script", script=os.path.abspath("app.py")), package_options({}))
        ready = make_ready(backend, project, lambda _text: None, Wanted(wheels=True))
        tasks.note(backend.info, old_images(project, ready.image))
        clean_up(backend)
    tags = [tag for image in backend.images({}) for tag in image.tags]
    assert len([tag for tag in tags if tag.startswith("localhost/buildr-dependencies:")]) == 2
    assert len([tag for tag in tags if tag.startswith("localhost/buildr-ground:")]) == 1


def test_the_cache_of_this_user_is_listed() -> None:
    backend = engine()
    run(backend)
    backend.make_volume("other", {"buildr.host.cache": "wheels", "buildr.uid": "77777"})
    assert [found.name for found in cache_volumes(backend)] == [f"buildr-wheels-{os.getuid()}"]


def test_a_layer_removes_only_paths_that_are_gone() -> None:
    installed = Installed(removed=("/top", "/usr/b\udcff", "/usr/lib/a"), replaced=("/usr/lib/a",))
    stream = io.BytesIO(installed.whiteouts + bytes(1024))
    with tarfile.open(fileobj=stream) as archive:
        assert archive.getnames() == [".wh.top", "usr/.wh.b\udcff"]
    assert json.loads(json.dumps([installed.listed.decode("latin-1")])) == [
        "/top\0/usr/b\xff\0/usr/lib/a\0"
    ]
