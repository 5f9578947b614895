"""The last step of an image for others: layers that are the same each time, and labels; what runs here goes without."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from buildr.engines.records import Image
from buildr.errors import BuildError, EngineError
from buildr.image.ensure import ensure_image
from buildr.image.publish import build_and_publish
from buildr.labels import NORMALISED
from buildr.testing import FakeBackend
from tests.unit.archive.layering import Put, members, tar
from tests.unit.plan.test_checkout import FIRST, URL, git
from tests.unit.planning import one_script, planned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from buildr.engines.records import BuildRequest, OnEvent

BASE = "docker.io/library/python:3-alpine"
DIGEST = f"sha256:{'ab' * 32}"
PREFIX = "org.opencontainers.image."
BASE_LAYER = tar(["etc/", "usr/", "usr/lib/"])
STEPS = (
    ("/bin/sh -c #(nop) ENV A=1", None),
    ("/bin/sh -c mkdir -p /app", ["app/", "etc/", "etc/hosts", "run/"]),
    ("/bin/sh -c #(nop) WORKDIR /work", ["work/"]),
    (
        f"/bin/sh -c #(nop) COPY dir:{'cd' * 32} in /work",
        ["work/", "work/file", "var/", "var/log/", "var/log/dpkg.log"],
    ),
    ("/bin/sh -c true", ["etc/", "etc/hosts", "var/", "var/log/", "var/log/dpkg.log"]),
)


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Storing(FakeBackend):
    """An engine that stores layers: each build makes those of `STEPS` on the base's.

    Attributes:
        now: when a build runs, in seconds since the epoch.
        loaded: the archives that it has been given.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 2_000_000_000
        self.history = [{"created_by": "base", "created": "2020-01-01T00:00:00Z"}]
        self.stored: dict[str, tuple[dict[str, Any], list[bytes]]] = {}
        self.loaded: list[dict[str, bytes]] = []
        self.base_labels: dict[str, str] = {}
        self.keep_base()

    def keep_base(self, **labels: str) -> None:
        base = Image(
            id=f"sha256:{1:064x}",
            command=("python3",),
            digests=(f"python@{DIGEST}",),
            diff_ids=(sha256(BASE_LAYER),),
            labels={f"{PREFIX}{name}": text for name, text in labels.items()},
        )
        self.add_image(BASE, base)
        self.base_labels = dict(base.labels)

    def appends(self) -> bool:
        self._called("appends")
        return True

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        image = super().build(request, on_event)
        self.now += 100
        layers, history = [BASE_LAYER], [*self.history]
        for step, names in STEPS:
            row: dict[str, Any] = {"created_by": step, "created": str(self.now)}
            if names is None:
                row["empty_layer"] = True
            else:
                layers.append(tar(Put(name, time=self.now) for name in names))
            history.append(row)
        found = self._images.get(image)
        labels = {**self.base_labels, **found.labels}
        made = replace(found, diff_ids=tuple(map(sha256, layers)), labels=labels)
        self._images._images[image] = made  # what is known of it there
        config = {"Labels": labels, "Cmd": ["python"], "Hostname": str(self.now)}
        self.stored[image] = (
            {
                "architecture": "amd64",
                "os": "linux",
                "created": str(self.now),
                "container": str(self.now),
                "config": config,
                "history": history,
                "rootfs": {"type": "layers", "diff_ids": list(map(sha256, layers))},
            },
            layers,
        )
        return image

    def save(self, image: str) -> Iterator[bytes]:
        self._called("save")
        config, layers = self.stored[image]
        names = [f"{number}/layer.tar" for number in range(len(layers))]
        files = dict(zip(names, layers, strict=True))
        files["config.json"] = json.dumps(config).encode()
        manifest = [{"Config": "config.json", "Layers": names}]
        files["manifest.json"] = json.dumps(manifest).encode()
        yield tar(Put(name, data) for name, data in files.items())

    def load(self, archive: Iterable[bytes], reference: str) -> Image:
        self._called("load")
        with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as found:
            files = {
                member.name: file.read()
                for member in found
                if (file := found.extractfile(member)) is not None
            }
        self.loaded.append(files)
        (manifest,) = json.loads(files["manifest.json"])
        assert manifest["RepoTags"] == [reference]
        data = files[manifest["Config"]]
        config = json.loads(data)
        layers = [files[name] for name in manifest["Layers"]]
        digests = config["rootfs"]["diff_ids"]
        for digest, layer in zip(digests, layers, strict=True):
            assert not layer or sha256(layer) == digest
        kept = {sha256(layer): layer for _, known in self.stored.values() for layer in known}
        image = self._images.add(
            Image(id=sha256(data), labels=config["config"]["Labels"], diff_ids=tuple(digests)),
            "",
        )
        known = [layer or kept[digest] for digest, layer in zip(digests, layers, strict=True)]
        self.stored[image.id] = (config, known)
        return self._images.name(image.id, reference)


@pytest.fixture(autouse=True)
def project_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return one_script(tmp_path, monkeypatch)


@pytest.fixture
def backend() -> Storing:
    return Storing()


def build(backend: FakeBackend, *, cache: bool = True, **package: Any) -> Image:
    built = build_and_publish(backend, planned(**package), lambda _: None, cache=cache)
    found = backend.image(built.image)
    assert found is not None
    return found


def config(backend: Storing, image: Image) -> dict[str, Any]:
    return backend.stored[image.id][0]


def labels(image: Image) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX): text
        for name, text in image.labels.items()
        if name.startswith(PREFIX)
    }


def test_two_builds_at_two_times_are_one_image(backend: Storing) -> None:
    first = build(backend)
    assert build(backend, cache=False).id == first.id
    assert backend.operations.count("save") == 2


def test_layers_of_the_base_stay_and_are_not_sent(backend: Storing) -> None:
    image = build(backend)
    (files,) = backend.loaded
    assert image.diff_ids[0] == sha256(BASE_LAYER)
    assert files["stored-0.tar"] == b""
    assert len(image.diff_ids) == 3


def test_what_only_the_moment_has_left_is_gone_and_what_was_copied_stays(backend: Storing) -> None:
    (_, below, above) = backend.stored[build(backend).id][1]
    # The folder to work in belongs to the layer of what is put there.
    assert list(members(below)) == ["app"]
    assert list(members(above)) == ["var", "var/log", "var/log/dpkg.log", "work", "work/file"]


def test_the_history_says_what_made_each_layer_and_nothing_of_the_moment(backend: Storing) -> None:
    found = config(backend, build(backend))
    rows = found["history"]
    assert rows[0] == backend.history[0]
    assert [row.get("empty_layer", False) for row in rows[1:]] == [True, False, True, False, True]
    assert {row["created"] for row in rows[1:]} == {found["created"]} == {"1980-01-02T00:00:00Z"}
    assert "COPY dir in /work" in rows[4]["created_by"]
    assert found["config"]["Cmd"] == ["python"]
    assert "Hostname" not in found["config"]
    assert "container" not in found


def test_what_is_finished_is_left_alone(backend: Storing) -> None:
    first = build(backend)
    asked = len(backend.builds)
    assert build(backend) == first
    assert (backend.operations.count("save"), len(backend.builds)) == (1, asked)


def test_what_runs_here_is_not_finished_and_what_is_finished_runs(backend: Storing) -> None:
    ran = ensure_image(backend, planned(), lambda _: None)
    assert "save" not in backend.operations
    asked = len(backend.builds)
    image = build(backend)
    assert image.id != ran
    assert "localhost/buildr/app:latest" in image.tags
    assert ensure_image(backend, planned(), lambda _: None) == image.id
    assert len(backend.builds) == asked


def test_an_engine_that_hands_over_something_else_gets_labels_alone(backend: Storing) -> None:
    backend.fail("save", EngineError("no", status=500, message="not like this"))
    said: list[str] = []
    image = backend.image(build_and_publish(backend, planned(), said.append).image)
    assert image is not None
    assert labels(image)["base.digest"] == DIGEST
    assert image.labels[NORMALISED].startswith("0 ")
    assert any("not reproducible" in line and "not like this" in line for line in said)


def test_an_engine_without_layers_gets_labels_alone() -> None:
    backend = FakeBackend()
    backend.add_image(BASE, Image(id=f"sha256:{1:064x}", digests=(f"python@{DIGEST}",)))
    image = build(backend)
    assert labels(image) == {"base.name": BASE, "base.digest": DIGEST}
    assert build(backend) == image
    assert len(backend.builds) == 2


# Labels ----------------------------------------------------------------------------------------------


@pytest.fixture
def repository(project_directory: Path) -> Path:
    git(project_directory, "init", "--quiet")
    git(project_directory, "remote", "add", "origin", URL.replace("//", "//me:secret@"))
    commit(project_directory)
    return project_directory


def commit(directory: Path, time: int = FIRST) -> str:
    git(directory, "commit", "--quiet", "--allow-empty", "--message", "x", time=time)
    return git(directory, "rev-parse", "HEAD")


def test_the_labels_say_which_commit_and_which_base(backend: Storing, repository: Path) -> None:
    image = build(backend)
    assert labels(image) == {
        "source": URL,
        "revision": git(repository, "rev-parse", "HEAD"),
        "created": "2020-09-13T12:26:40Z",
        "base.name": BASE,
        "base.digest": DIGEST,
    }
    assert config(backend, image)["created"] == "2020-09-13T12:26:40Z"


def test_another_commit_has_other_labels_and_the_same_layers(
    backend: Storing, repository: Path
) -> None:
    first = build(backend)
    asked = len(backend.builds)
    revision = commit(repository, FIRST + 100)
    second = build(backend)
    assert labels(second)["revision"] == revision
    assert second.diff_ids == first.diff_ids
    assert len(backend.builds) == asked
    assert ensure_image(backend, planned(), lambda _: None) == second.id


def test_a_commit_that_is_gone_leaves_no_label(backend: Storing, repository: Path) -> None:
    build(backend)
    (repository / ".git").rename(repository.parent / "gone")
    assert labels(build(backend)) == {"base.name": BASE, "base.digest": DIGEST}


def test_what_the_base_says_of_itself_goes_and_the_rest_of_its_labels_stay() -> None:
    backend = Storing()
    backend.keep_base(source="https://example.org/base", revision="1", vendor="somebody")
    assert labels(build(backend)) == {
        "base.name": BASE,
        "base.digest": DIGEST,
        "vendor": "somebody",
    }


def test_the_users_own_label_stays(backend: Storing, project_directory: Path) -> None:
    (project_directory / "Own").write_text(
        f'FROM {BASE}\nLABEL {PREFIX}source=https://example.org/mine\nCMD ["true"]\n'
    )
    git(project_directory, "init", "--quiet")
    git(project_directory, "remote", "add", "origin", URL)
    revision = commit(project_directory)
    for _ in range(2):
        found = labels(build(backend, dockerfile="Own"))
        assert (found["source"], found["revision"]) == ("https://example.org/mine", revision)
        revision = commit(project_directory, FIRST + 1)


# The date --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("repository")
def test_the_variable_gives_the_date(backend: Storing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    with_variable = build(backend)
    assert config(backend, with_variable)["created"] == "2023-11-14T22:13:20Z"
    assert labels(with_variable)["created"] == "2023-11-14T22:13:20Z"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    # Layers are the same whatever the date, so that a registry has them once.
    assert build(backend).diff_ids == with_variable.diff_ids


def test_no_file_is_later_than_the_variable(
    backend: Storing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000")
    above = backend.stored[build(backend).id][1][-1]
    assert {member.mtime for member in members(above).values()} == {1000}


@pytest.mark.parametrize("text", ["yesterday", "-1", "1.5", "9" * 12])
def test_a_variable_that_is_not_a_time_is_an_error(
    backend: Storing, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(BuildError, match="SOURCE_DATE_EPOCH"):
        build(backend)
