"""What an image says about itself, and when: labels follow the commit, and a commit builds nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines.records import Image
from buildr.errors import EngineError
from buildr.image.ensure import Wanted, make_ready
from buildr.image.provenance import render_provenance
from buildr.image.publish import build_and_publish, unpinned
from buildr.image.stamp import base_digest, built_stamp, pushed_stamp
from buildr.plan.source_date import FIXED
from buildr.testing import FakeBackend
from tests.unit.image.test_generated import Appending
from tests.unit.plan.test_checkout import FIRST, URL, git
from tests.unit.planning import one_script, planned

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.engines.layer import Layer
    from buildr.engines.records import OnEvent

PREFIX = "org.opencontainers.image."
BASE = "docker.io/library/python:3-alpine"
DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture(autouse=True)
def project_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return one_script(tmp_path, monkeypatch)


@pytest.fixture
def repository(project_directory: Path) -> Path:
    git(project_directory, "init", "--quiet")
    git(project_directory, "remote", "add", "origin", URL.replace("//", "//me:secret@"))
    commit(project_directory)
    return project_directory


def commit(directory: Path, time: int = FIRST) -> str:
    git(directory, "commit", "--quiet", "--allow-empty", "--message", "x", time=time)
    return git(directory, "rev-parse", "HEAD")


def labels(backend: FakeBackend, image: str) -> dict[str, str]:
    found = backend.image(image)
    assert found is not None
    return {
        name.removeprefix(PREFIX): text
        for name, text in found.labels.items()
        if name.startswith(PREFIX)
    }


PUBLISHED: dict[str, Any] = {"repository": "registry.example.org/me", "publish": True}


def publish(backend: FakeBackend) -> str:
    return build_and_publish(backend, planned(**PUBLISHED), lambda _line: None).pushed


@pytest.mark.parametrize("kind", [FakeBackend, Appending])
def test_an_image_that_is_pushed_has_the_labels_that_are_known(
    repository: Path, kind: type[FakeBackend]
) -> None:
    backend = kind()
    backend.add_image(
        BASE, Image(id=f"sha256:{1:064x}", command=("python3",), digests=(f"python@{DIGEST}",))
    )
    assert labels(backend, publish(backend)) == {
        "source": URL,
        "revision": git(repository, "rev-parse", "HEAD"),
        "created": "2020-09-13T12:26:40Z",
        "base.name": BASE,
        "base.digest": DIGEST,
    }


def test_where_nothing_is_known_nothing_is_said_not_even_what_the_base_says_of_itself() -> None:
    backend = Appending()
    base = Image(
        id=f"sha256:{1:064x}",
        command=("python3",),
        labels={f"{PREFIX}source": "https://example.org/base", f"{PREFIX}title": "base"},
    )
    backend.add_image("localhost/base:1", base)
    project = planned(base_image="localhost/base:1", **PUBLISHED)
    built = build_and_publish(backend, project, lambda _line: None)
    assert labels(backend, built.image) == {"title": "base"}
    assert built.pushed == built.image


def test_another_commit_builds_nothing_and_what_is_pushed_names_it(repository: Path) -> None:
    backend = Appending()
    first = publish(backend)
    builds, layers = len(backend.builds), len(backend.layers)
    second = commit(repository, FIRST + 60)
    image = publish(backend)
    assert image != first
    assert labels(backend, image)["revision"] == second
    assert labels(backend, image)["created"] == "2020-09-13T12:27:40Z"
    assert (len(backend.builds), len(backend.layers)) == (builds, layers)
    assert backend.pushed[-1].image == image
    assert publish(backend) == image


@pytest.mark.usefixtures("repository")
def test_what_runs_is_the_same_for_each_commit_and_nobody_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("buildr.image.stamp.read_checkout", None)  # a call would fail
    backend = Appending()
    backend.add_image(
        BASE, Image(id=f"sha256:{1:064x}", command=("python3",), digests=(f"python@{DIGEST}",))
    )
    ready = make_ready(backend, planned(), lambda _line: None, Wanted())
    assert labels(backend, ready.image) == {"base.name": BASE, "base.digest": DIGEST}


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("kind", [FakeBackend, Appending])
def test_what_a_run_has_built_is_pushed_with_labels_and_found_by_the_next_run(
    kind: type[FakeBackend],
) -> None:
    backend = kind()
    project = planned(**PUBLISHED)
    ran = make_ready(backend, project, lambda _line: None, Wanted()).image
    of_source = [build for build in backend.builds if "context/" in build.containerfile]
    built = build_and_publish(backend, project, lambda _line: None)
    assert built.image == ran != built.pushed
    assert backend.pushed[-1].image == built.pushed
    named = backend.image(project.reference)
    assert named is not None
    assert named.id == built.pushed
    assert make_ready(backend, project, lambda _line: None, Wanted()).image == ran
    assert [build for build in backend.builds if "context/" in build.containerfile] == of_source


@pytest.mark.usefixtures("repository")
def test_an_engine_that_takes_no_labels_alone_builds_them() -> None:
    class Refusing(Appending):
        def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
            if not layer.size:
                raise EngineError("no", status=500, message="not like this")
            return super().append(image, layer, on_event)

    backend = Refusing()
    pushed = publish(backend)
    assert backend.builds[-1].containerfile.startswith("FROM sha256:")
    assert "revision" in labels(backend, pushed)


@pytest.mark.usefixtures("repository")
def test_the_date_is_that_of_the_variable_before_that_of_the_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = planned()
    assert pushed_stamp(project).created == FIRST
    assert built_stamp(project, ()).created == FIXED
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    for stamp in (pushed_stamp(project), built_stamp(project, ())):
        assert stamp.created == 7
    assert pushed_stamp(project).labels[f"{PREFIX}created"] == "1970-01-01T00:00:07Z"


def test_without_a_commit_the_date_is_always_the_same_and_there_are_no_labels() -> None:
    stamp = pushed_stamp(planned())
    assert (stamp.created, stamp.labels) == (FIXED, {})


@pytest.mark.parametrize(
    ("reference", "digests", "expected"),
    [
        (BASE, (f"python@{DIGEST}",), DIGEST),
        (BASE, (f"docker.io/library/python@{DIGEST}",), DIGEST),
        ("docker.io/me/base:1", (f"me/base@{DIGEST}",), DIGEST),
        ("r.example:5000/me/base", (f"r.example:5000/me/base@{DIGEST}",), DIGEST),
        ("r.example:5000/me/base:1", (f"other.example/me/base@{DIGEST}",), ""),
        (f"r.example/base@{DIGEST}", (), DIGEST),
        (BASE, (), ""),
    ],
)
def test_the_digest_of_a_base_is_that_of_its_registry(
    reference: str, digests: tuple[str, ...], expected: str
) -> None:
    assert base_digest(reference, Image(id="sha256:1", digests=digests)) == expected


@pytest.mark.parametrize(
    ("text", "base", "said"),
    [
        ("rich\n", BASE, ["requirements.txt has no hashes", "is named by a tag"]),
        ("rich==1 --hash=sha256:00\n", f"docker.io/library/python@{DIGEST}", []),
        ("", "localhost/base:1", []),
    ],
)
def test_what_may_be_another_at_the_next_build_is_said_in_a_line_each(
    project_directory: Path, text: str, base: str, said: list[str]
) -> None:
    if text:
        (project_directory / "requirements.txt").write_text(text)
    lines = [*unpinned(planned(base_image=base))]
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))


def test_the_statement_names_the_image_its_source_and_its_base(repository: Path) -> None:
    backend = Appending()
    backend.add_image(
        BASE, Image(id=f"sha256:{1:064x}", command=("python3",), digests=(f"python@{DIGEST}",))
    )
    project = planned(**PUBLISHED)
    image = backend.image(publish(backend))
    assert image is not None
    statement = json.loads(render_provenance(project, image, backend.info, f"sha256:{'0' * 64}"))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [
        {"name": "registry.example.org/me/app", "digest": {"sha256": "0" * 64}}
    ]
    revision = git(repository, "rev-parse", "HEAD")
    assert statement["predicate"]["buildDefinition"]["resolvedDependencies"] == [
        {"uri": f"git+{URL}@{revision}", "digest": {"gitCommit": revision}},
        {"uri": f"oci://{BASE}", "digest": {"sha256": "ab" * 32}},
    ]
    assert "secret" not in json.dumps(statement)
    unpushed = json.loads(render_provenance(project, image, backend.info, ""))
    assert unpushed["subject"][0]["digest"] == {"sha256": image.id.removeprefix("sha256:")}
