"""What is said about an image beside its labels: where it came from, and what of it is not pinned."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines.records import Image
from buildr.image.provenance import render_provenance
from buildr.image.publish import build_and_publish, unpinned
from buildr.image.stamp import base_digest
from tests.unit.image.test_finish import BASE, DIGEST, Storing, commit
from tests.unit.plan.test_checkout import URL, git
from tests.unit.planning import one_script, planned

if TYPE_CHECKING:
    from pathlib import Path

PUBLISHED: dict[str, Any] = {"repository": "registry.example.org/me", "publish": True}


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
        ("rich\n", BASE, ["requirements.txt has no hashes", "is not pinned"]),
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
    backend = Storing()
    project = planned(**PUBLISHED)
    image = backend.image(build_and_publish(backend, project, lambda _line: None).image)
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
