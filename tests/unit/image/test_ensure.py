"""From a project to an image that an engine stores: built when something has changed, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines.container_spec import ContainerSpec
from buildr.engines.progress import Progress
from buildr.engines.records import EngineDetails, Event, Image
from buildr.errors import (
    BuildError,
    ContextError,
    EngineError,
    EngineLostError,
    ImageNotFoundError,
)
from buildr.image import subordinate_ids
from buildr.image.ensure import ensure_image
from buildr.options import PackageFile
from buildr.plan import fingerprint
from buildr.plan.fingerprint import frame
from buildr.plan.sources import read_sources
from buildr.testing import FakeBackend
from tests.unit.housekeeping import clean_up
from tests.unit.planning import one_script, planned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildr.engines.records import OnEvent
    from buildr.plan.project import Project

BASE = "docker.io/library/python:3-alpine"


@pytest.fixture(autouse=True)
def project_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return one_script(tmp_path, monkeypatch)


def ensure(backend: FakeBackend, project: Project | None = None, **options: Any) -> str:
    return ensure_image(backend, project or planned(), lambda _text: None, **options)


# Building ---------------------------------------------------------------------------------------------


def test_a_first_build_pulls_its_base_and_tags_the_image() -> None:
    backend = FakeBackend()
    identity = ensure(backend)
    image = backend.image(identity)
    assert backend.pulled == [BASE]
    assert image is not None
    assert "localhost/buildr/app:latest" in image.tags
    assert len(image.tags) == 2


def test_a_stored_base_is_not_pulled() -> None:
    backend = FakeBackend()
    backend.add_image(BASE)
    ensure(backend)
    assert backend.pulled == []


def test_a_newer_base_is_pulled_only_on_request() -> None:
    class Renewed(FakeBackend):
        """An engine whose registry has another image each time."""

        def pull(self, reference: str, on_event: OnEvent) -> Image:
            found = super().pull(reference, on_event)
            self.remove_image(reference)
            newer = Image(id=f"sha256:{len(self.pulled):064}", tags=(), labels=found.labels)
            return self._images.name(self._images.add(newer, "").id, reference)

    backend = Renewed()
    for _ in range(2):
        ensure(backend)
    assert (backend.pulled, len(backend.builds)) == ([BASE], 1)
    ensure(backend, planned(pull=True))
    assert (backend.pulled, len(backend.builds)) == ([BASE, BASE], 2)


@pytest.mark.parametrize(
    "reference", ["localhost/mine:1", "sha256:" + "0" * 64, "r.example/x@sha256:" + "0" * 64]
)
def test_a_local_base_is_kept(reference: str) -> None:
    backend = FakeBackend()
    backend.add_image(reference)
    ensure(backend, planned(base_image=reference, pull=True))
    assert backend.pulled == []


def test_bases_of_the_user_s_containerfile_are_pulled_too(project_directory: Path) -> None:
    backend = FakeBackend()
    backend.add_image("docker.io/library/debian:12")
    (project_directory / "Dockerfile").write_text('FROM debian:12\nCMD ["x"]\n')
    ensure(backend, planned(dockerfile="Dockerfile"))
    assert backend.pulled == []
    ensure(backend, planned(dockerfile="Dockerfile", pull=True))
    assert backend.pulled == ["docker.io/library/debian:12"]


@pytest.mark.parametrize(
    ("stored", "said"), [(True, "An older one is stored here"), (False, "It is not stored here")]
)
def test_a_failed_pull_says_whether_the_base_is_stored(*, stored: bool, said: str) -> None:
    backend = FakeBackend()
    if stored:
        backend.add_image(BASE)
    backend.fail("pull", ImageNotFoundError("no answer", hint="Ask again."))
    with pytest.raises(ImageNotFoundError, match="no answer") as caught:
        ensure(backend, planned(pull=True))
    assert caught.value.hint.startswith(said)
    assert caught.value.hint.endswith("\nAsk again.")


def test_the_stream_has_the_context_the_guest_part_and_the_containerfile(
    project_directory: Path,
) -> None:
    (project_directory / "data").mkdir()
    (project_directory / "data" / "my file.txt").write_text("x")
    (project_directory / "requirements.txt").write_text("rich\n")
    (project_directory / "extra.json").write_text("{}")
    backend = FakeBackend()
    ensure(backend, planned(additional_files=[PackageFile("extra.json", "/etc/x.json", "0400")]))
    files = backend.builds[0].files

    assert files["context/data/my file.txt"].data == b"x"
    assert files["context/app.py"].data == b"print()\n"
    assert files["dependencies/requirements.txt"].data == b"rich\n"
    assert "guest/buildr/guest/init.py" in files
    (extra,) = (file for name, file in files.items() if name.startswith("files/0/"))
    assert (extra.data, extra.mode) == (b"{}", 0o400)


def test_an_additional_directory_travels_with_its_contents(project_directory: Path) -> None:
    (project_directory / ".git").mkdir()
    (project_directory / ".git" / "config").write_text("x")
    backend = FakeBackend()
    ensure(backend, planned(additional_files=[PackageFile(".git", "/srv/git")]))
    assert backend.builds[0].files["files/0/config"].data == b"x"
    assert not any(name.startswith("context/.git") for name in backend.builds[0].files)


def test_the_user_s_files_are_not_changed(project_directory: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in project_directory.rglob("*")}
    ensure(FakeBackend())
    assert {path: path.stat().st_mtime_ns for path in project_directory.rglob("*")} == before


def test_notes_are_printed_when_an_image_is_built(project_directory: Path) -> None:
    (project_directory / ".env").write_text("SECRET=1\n")
    said: list[str] = []
    backend = FakeBackend()
    for _ in range(2):
        ensure_image(backend, planned(), said.append)
    assert sum("nothing is installed" in line for line in said) == 1
    assert sum(".env" in line for line in said) == 1
    assert "context/.env" not in backend.builds[0].files


def test_files_that_cannot_travel_are_reported(project_directory: Path) -> None:
    import os

    os.mkfifo(project_directory / "pipe")
    said: list[str] = []
    ensure_image(FakeBackend(), planned(), said.append)
    assert "left out: pipe is a FIFO" in said


def test_an_upload_is_shown_live(project_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project_directory / "large").write_bytes(bytes(range(256)) * 4000)
    seen: list[Event] = []
    monkeypatch.setattr(Progress, "__call__", lambda _self, event: seen.append(event))
    ensure(FakeBackend())
    sizes = [event.current for event in seen if event.kind == "upload"]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 1_000_000


# Not building -----------------------------------------------------------------------------------------


def test_an_unchanged_project_is_not_rebuilt() -> None:
    backend = FakeBackend()
    first = ensure(backend)
    backend.operations.clear()
    assert ensure(backend) == first
    assert len(backend.builds) == 1
    assert "pull" not in backend.operations


def test_without_the_cache_it_is_rebuilt() -> None:
    backend = FakeBackend()
    first = ensure(backend)
    second = ensure(backend, cache=False)
    assert second != first
    assert not backend.builds[1].cache
    clean_up(backend)
    assert backend.image(first) is None


def test_a_removed_image_is_built_again() -> None:
    backend = FakeBackend()
    image = backend.image(ensure(backend))
    assert image is not None
    for tag in image.tags:
        backend.remove_image(tag)
    ensure(backend)
    assert len(backend.builds) == 2


def test_an_earlier_state_is_only_retagged(
    project_directory: Path,
) -> None:
    backend = FakeBackend()
    first = ensure(backend)
    (project_directory / "app.py").write_text("print(2)\n")
    assert ensure(backend) != first
    (project_directory / "app.py").write_text("print()\n")
    assert ensure(backend) == first
    assert len(backend.builds) == 2
    latest = backend.image("localhost/buildr/app:latest")
    assert latest is not None
    assert latest.id == first


def touch(path: Path) -> None:
    import os

    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda directory: touch(directory / "app.py"),
        lambda directory: (directory / "app.py").chmod(0o604),  # the group gets what the owner has
        lambda directory: (directory / "__pycache__").mkdir(),
    ],
)
def test_irrelevant_changes_build_nothing(
    project_directory: Path, change: Callable[[Path], None]
) -> None:
    backend = FakeBackend()
    ensure(backend)
    change(project_directory)
    ensure(backend)
    assert len(backend.builds) == 1


# The fingerprint --------------------------------------------------------------------------------------


def digest(project: Project, bases: tuple[str, ...] = ("sha256:1",)) -> str:
    sources = read_sources(project)
    found = frame(project, sources, [Image(id=base) for base in bases])
    return found.fingerprint(sources.tree.digest)


def write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.mark.parametrize(
    "change",
    [
        lambda directory: write(directory / "app.py", "print(1)\n"),
        lambda directory: write(directory / "new.py", ""),
        lambda directory: (directory / "app.py").chmod(0o755),
        lambda directory: (directory / "link").symlink_to("app.py"),
        lambda directory: (directory / "folder").mkdir(),
        lambda directory: write(directory / "requirements.txt", "rich\n"),
        lambda directory: write(directory / ".python-version", "3.12\n"),
        lambda directory: write(directory / "extra.json", "[]"),
    ],
)
def test_a_change_of_the_files_changes_the_fingerprint(
    project_directory: Path, change: Callable[[Path], None]
) -> None:
    write(project_directory / "extra.json", "{}")
    options: dict[str, Any] = {"additional_files": [PackageFile("extra.json", "/x")]}
    before = digest(planned(**options))
    change(project_directory)
    assert digest(planned(**options)) != before


def test_a_change_of_an_additional_file_changes_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "tree").mkdir()
    options: dict[str, Any] = {
        "additional_files": [
            PackageFile(str(tmp_path / "a.json"), "/x"),
            PackageFile(str(tmp_path / "tree"), "/y"),
        ]
    }
    seen = {digest(planned(**options))}
    (tmp_path / "a.json").write_text("[]")
    seen.add(digest(planned(**options)))
    (tmp_path / "a.json").chmod(0o755)
    seen.add(digest(planned(**options)))
    (tmp_path / "tree" / "b").write_text("")
    seen.add(digest(planned(**options)))
    assert len(seen) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"py_version": "3.12"},
        {"variant": "slim"},
        {"base_image": "debian:12"},
        {"user": "root"},
        {"name": "other"},
        {"additional_files": [PackageFile("app.py", "/x")]},
        {"additional_files": [PackageFile("app.py", "/y")]},
        {"additional_files": [PackageFile("app.py", "/x", "0400")]},
        {"dependencies_file": "dev.txt"},
        {"dependencies": ["rich>=13"]},
        {"dependencies": []},
        {"dependencies_file": "pyproject.toml", "groups": ["dev"]},
        {"system_packages": ["git"]},
        {"include_secrets": True},
        {"dockerfile": "Dockerfile"},
    ],
)
def test_an_option_of_the_content_changes_the_fingerprint(
    project_directory: Path, options: dict[str, Any]
) -> None:
    write(project_directory / "Dockerfile", "FROM debian:12\n")
    write(project_directory / "dev.txt", "rich\n")
    write(project_directory / "pyproject.toml", "[dependency-groups]\ndev = []\n")
    write(project_directory / ".env", "A=1\n")
    assert digest(planned(**options)) != digest(planned())


@pytest.mark.parametrize("options", [{"verbose": True}, {"quiet": True}, {"builder": "podman"}])
def test_other_options_do_not_change_the_fingerprint(options: dict[str, Any]) -> None:
    assert digest(planned(**options)) == digest(planned())


def test_a_cache_in_the_context_does_not_change_the_fingerprint(
    project_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(project_directory / ".cache"))
    (project_directory / ".cache" / "other").mkdir(parents=True)
    backend = FakeBackend()
    ensure(backend)
    ensure(backend)
    assert len(backend.builds) == 1
    sent = [path for path in backend.builds[0].files if ".cache" in path]
    assert sent == ["context/.cache", "context/.cache/other"]


def test_the_script_changes_the_fingerprint(project_directory: Path) -> None:
    write(project_directory / "other.py", "")
    assert digest(planned("other.py")) != digest(planned())


def test_the_base_images_change_the_fingerprint() -> None:
    project = planned()
    seen = {
        digest(project, bases)
        for bases in ((), ("sha256:1",), ("sha256:2",), ("sha256:1", "sha256:2"))
    }
    assert len(seen) == 4


def test_buildr_itself_changes_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    project = planned()
    seen = {digest(project)}
    monkeypatch.setattr(fingerprint, "__version__", "99")
    seen.add(digest(project))
    monkeypatch.setattr(fingerprint, "guest_files", lambda: (("buildr/__init__.py", b""),))
    seen.add(digest(project))
    monkeypatch.setattr(fingerprint, "identity", lambda _recipe: "another template")
    seen.add(digest(project))
    monkeypatch.setattr(fingerprint, "_code", lambda: "another state of the same version")
    seen.add(digest(project))
    assert len(seen) == 5


def test_the_text_of_a_user_s_containerfile_changes_the_fingerprint(
    project_directory: Path,
) -> None:
    write(project_directory / ".dockerignore", "Dockerfile\n")
    seen = set()
    for text in ("FROM debian:12\n", "FROM debian:12\nRUN true\n"):
        write(project_directory / "Dockerfile", text)
        seen.add(digest(planned(dockerfile="Dockerfile")))
    assert len(seen) == 2


def test_the_fingerprint_is_that_of_the_built_text(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"  # not in the context
    write(path, 'FROM debian:12\nRUN one\nCMD ["it"]\n')
    backend = SlowPull(path, 'FROM debian:12\nRUN another\nCMD ["it"]\n')
    ensure(backend, planned(dockerfile=str(path)))
    assert "RUN one" in backend.builds[0].containerfile


# Failing ----------------------------------------------------------------------------------------------


def test_a_failed_build_leaves_no_name_and_the_next_run_builds() -> None:
    backend = FakeBackend()
    backend.fail("build", BuildError("step 3 failed"))
    with pytest.raises(BuildError, match="step 3 failed"):
        ensure(backend)
    assert backend.images({"buildr.project": ""}) == []
    assert "tag" not in backend.operations
    ensure(backend)
    assert len(backend.builds) == 2


def test_a_missing_base_image_is_an_error_before_the_upload() -> None:
    backend = FakeBackend()
    backend.fail("pull", ImageNotFoundError("no such tag"))
    with pytest.raises(ImageNotFoundError, match="no such tag"):
        ensure(backend)
    assert backend.builds == []


def test_an_additional_file_that_vanished_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    project = planned(additional_files=[PackageFile(str(tmp_path / "a.json"), "/x")])
    (tmp_path / "a.json").unlink()
    with pytest.raises(ContextError, match=r"a\.json cannot be read: No such file"):
        ensure(FakeBackend(), project)


class SlowPull(FakeBackend):
    """An engine that takes its time: meanwhile, after the fingerprint and before anything is sent, a file is written."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__()
        self._path, self._text = path, text

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        self._path.write_text(self._text)
        return super().pull(reference, on_event)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_additional_file_that_changes_meanwhile_is_sent_with_its_new_content(
    tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "extra" / "a.json"
    file.parent.mkdir()
    file.write_text("[1]")
    source = str(file if kind == "file" else file.parent)
    project = planned(additional_files=[PackageFile(source, "/x")])
    backend = SlowPull(file, "[1, 2]")
    ensure(backend, project)
    (build,) = backend.builds
    (sent,) = (data for name, data in build.files.items() if name.endswith("a.json"))
    assert sent.data == b"[1, 2]"


# Collecting -------------------------------------------------------------------------------------------


def states(backend: FakeBackend, directory: Path, count: int) -> list[str]:
    """Build this many states of the source; return their images."""
    found = []
    for number in range(count):
        write(directory / "app.py", f"print({number})\n")
        found.append(ensure(backend))
        clean_up(backend)
    return found


def test_old_images_of_a_project_are_removed_except_for_the_last_few(
    project_directory: Path,
) -> None:
    backend = FakeBackend()
    images = states(backend, project_directory, 7)
    kept = [backend.image(image) is not None for image in images]
    assert kept == [False, False, False, True, True, True, True]


def test_images_of_other_projects_are_kept(project_directory: Path) -> None:
    backend = FakeBackend()
    write(project_directory / "other.py", "")
    other = ensure(backend, planned("other.py"))
    states(backend, project_directory, 6)
    assert backend.image(other) is not None


def test_an_image_with_a_foreign_name_is_kept(project_directory: Path) -> None:
    backend = FakeBackend()
    first = ensure(backend)
    backend.tag(first, "registry.example.org/keep:1")
    states(backend, project_directory, 6)
    assert backend.image(first) is not None


def test_an_image_in_use_is_kept_without_an_error(project_directory: Path) -> None:
    backend = FakeBackend()
    first = ensure(backend)
    backend.create(ContainerSpec(image=first))
    states(backend, project_directory, 6)
    assert backend.image(first) is not None


def test_untagged_images_are_removed() -> None:
    backend = FakeBackend()
    first = ensure(backend)
    project = planned()
    ensure(backend, project, cache=False)
    clean_up(backend)
    assert backend.image(first) is None
    assert backend.image("localhost/buildr/app:latest") is not None


@pytest.mark.parametrize("operation", ["images", "remove_image"])
def test_a_failed_collection_does_not_fail_the_run(project_directory: Path, operation: Any) -> None:
    backend = FakeBackend()
    states(backend, project_directory, 4)
    backend.fail(operation, EngineError("reading image: image not known"), times=None)
    write(project_directory / "app.py", "print('last')\n")
    last = ensure(backend)
    clean_up(backend)
    assert backend.image(last) is not None


def test_a_lost_engine_fails_the_run() -> None:
    backend = FakeBackend()
    backend.fail("tag", EngineLostError("the engine went away"))
    with pytest.raises(EngineLostError):
        ensure(backend)


# Hosts without subordinate ids ------------------------------------------------------------------------


class OneId(FakeBackend):
    def details(self) -> EngineDetails:
        return EngineDetails(user_ids=1)


def unlisted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subordinate_ids, "_listed", lambda _uid: False)


def test_without_subordinate_ids_the_image_runs_as_root_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlisted(monkeypatch)
    said: list[str] = []
    backend = OneId()
    ensure_image(backend, planned(), said.append)
    assert "USER 0:0" in backend.builds[0].containerfile
    assert any("no subordinate ids" in line for line in said)


@pytest.mark.parametrize("backend", [FakeBackend(), OneId(rootless=False), OneId(remote=True)])
def test_with_other_ids_the_image_runs_as_an_ordinary_user(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlisted(monkeypatch)
    ensure(backend)
    assert "USER 1000:0" in backend.builds[0].containerfile


# An own Containerfile ---------------------------------------------------------------------------------


def own(directory: Path, text: str) -> Project:
    write(directory / "Dockerfile", text)
    return planned(dockerfile="Dockerfile")


def test_a_user_s_containerfile_is_built_unchanged_with_the_guest_part_on_top(
    project_directory: Path,
) -> None:
    text = 'FROM debian:12\nENTRYPOINT ["run"]\nCMD ["it"]\nUSER www\n'
    backend = FakeBackend()
    image = backend.image(ensure(backend, own(project_directory, text)))

    first, second = backend.builds
    assert first.containerfile == text
    assert first.files["app.py"].data == b"print()\n"
    assert first.tags == ()
    assert set(second.files) >= {"Containerfile", "guest/buildr/guest/init.py"}
    assert not any(name.startswith("context") for name in second.files)
    assert image is not None
    assert image.entrypoint[-1] == "run"
    assert image.entrypoint[0] == "python"
    assert (image.command, image.user) == (("it",), "www")
    assert "BUILDR_IN_CONTAINER=true" in image.environment
    assert backend.pulled == ["docker.io/library/debian:12"]


def test_an_image_that_only_names_an_interpreter_runs_the_script(project_directory: Path) -> None:
    backend = Holding("/srv/app.py")
    project = own(project_directory, 'FROM python:3\nWORKDIR /srv\nCOPY . .\nCMD ["python3"]\n')
    image = backend.image(ensure(backend, project))
    assert image is not None
    assert image.command == ("python3", "-u", "/srv/app.py")
    assert all(run.removed for run in backend.runs)


def test_an_image_without_a_command_and_without_the_script_is_refused(
    project_directory: Path,
) -> None:
    backend = Holding()
    with pytest.raises(BuildError, match=r"names no command, and app\.py is not in it"):
        ensure(backend, own(project_directory, "FROM scratch\n"))
    assert all(run.removed for run in backend.runs)


class Holding(FakeBackend):
    """An engine whose containers hold these files."""

    def __init__(self, *paths: str) -> None:
        super().__init__()
        self.paths = paths

    def create(self, spec: ContainerSpec) -> str:
        identity = super().create(spec)
        self.runs[-1].files.update(dict.fromkeys(self.paths, b""))
        return identity
