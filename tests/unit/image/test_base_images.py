"""What is said of a base image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildr.engines.records import Image
from buildr.image.base_images import base_notes
from buildr.layout import ENTRYPOINT
from buildr.options import package_options
from buildr.plan.entry import Entry
from buildr.plan.project import plan

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.plan.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "app.py").write_text("")
    entry = Entry(kind="script", script=str(tmp_path / "app.py"))
    return plan(entry, package_options({"context": str(tmp_path)}))


@pytest.mark.parametrize(
    ("entrypoint", "said"),
    [
        ((), ""),
        (ENTRYPOINT, ""),
        (("/set up.sh", "-x"), "ENTRYPOINT, '/set up.sh' -x, does not run"),
    ],
)
def test_an_entrypoint_of_the_base_is_reported(
    project: Project, entrypoint: tuple[str, ...], said: str
) -> None:
    notes = list(base_notes(project, [Image(id="sha256:1", entrypoint=entrypoint)]))
    assert len(notes) == bool(said)
    assert said in "".join(notes)


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("COPY app.py /elsewhere/", True),
        ("add . /src", True),
        ("COPY --from=alpine /etc/passwd /", False),
        ("RUN true", False),
    ],
)
def test_onbuild_instructions_that_need_project_files_are_reported(
    project: Project, trigger: str, said: bool
) -> None:
    notes = list(base_notes(project, [Image(id="sha256:1", triggers=(trigger,))]))
    assert [f"ONBUILD {trigger} looks for files" in note for note in notes] == [True] * said
