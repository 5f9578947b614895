"""The Python of the base image against the one that the project asks for, before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines.records import Image
from buildr.errors import DependencyError, EngineError
from buildr.image.ensure import ensure_image
from buildr.options import package_options
from buildr.plan.entry import Entry
from buildr.plan.project import plan
from buildr.testing import FakeBackend

if TYPE_CHECKING:
    from buildr.testing import FakeContainer

pytestmark = pytest.mark.usefixtures("directory")

BASE = "registry.example.org/mine:1"


class Answer:
    """A guest that says a version of Python."""

    def __init__(self, version: str) -> None:
        self.version = version

    def __call__(self, container: FakeContainer) -> int:
        container.stdout.write(self.version.encode() + b"\n")
        return 0


def build(backend: FakeBackend, **options: Any) -> str:
    entry = Entry(kind="script", script=str(Path("app.py").absolute()))
    package = package_options({"base_image": BASE, **options})
    return ensure_image(backend, plan(entry, package), lambda _text: None)


def asks(directory: Path, text: str) -> None:
    (directory / "pyproject.toml").write_text(f"[project]\nname = 'x'\n{text}\n")


def with_variable(version: str) -> FakeBackend:
    backend = FakeBackend()
    image = Image(id="", environment=(f"PYTHON_VERSION={version}",))
    backend.add_image(BASE, image)
    return backend


def test_another_python_is_refused_before_the_build(directory: Path) -> None:
    asks(directory, 'requires-python = ">=3.13"')
    backend = with_variable("3.11.9")
    with pytest.raises(
        DependencyError,
        match=r"requires-python in pyproject\.toml asks for >=3\.13, and the base image .*mine:1 has Python 3\.11\.9",
    ) as refused:
        build(backend)
    assert "base_image" in refused.value.hint
    assert (backend.builds, backend.runs) == ([], [])


@pytest.mark.parametrize("version", ["3.13.0", "3.14.0rc1", "4.0.0"])
def test_a_matching_python_is_accepted(directory: Path, version: str) -> None:
    asks(directory, 'requires-python = ">=3.13"')
    assert build(with_variable(version))


def test_inline_metadata_may_require_a_python(directory: Path) -> None:
    (directory / "requirements.txt").unlink()
    (directory / "app.py").write_text('# /// script\n# requires-python = "<3.11"\n# ///\nprint()\n')
    with pytest.raises(DependencyError, match=r"in the script's inline metadata asks for <3\.11"):
        build(with_variable("3.11.9"))


def test_an_image_without_a_version_variable_is_asked_once(directory: Path) -> None:
    asks(directory, 'requires-python = ">=3.13"')
    backend = FakeBackend(Answer("3.11.2"))
    backend.add_image(BASE)
    for _ in range(2):
        with pytest.raises(DependencyError, match=r"has Python 3\.11\.2"):
            build(backend)
    (run,) = backend.runs
    assert run.removed
    assert backend.builds == []


@pytest.mark.parametrize("said", ["", "sh: python: not found", "3.11"])
def test_an_unknown_version_is_left_to_the_build(directory: Path, said: str) -> None:
    asks(directory, 'requires-python = ">=3.13"')
    backend = FakeBackend(Answer(said))
    backend.add_image(BASE)
    assert build(backend)


def test_a_failed_check_does_not_prevent_the_build(directory: Path) -> None:
    asks(directory, 'requires-python = ">=3.13"')
    backend = FakeBackend(Answer("3.11.2"))
    backend.add_image(BASE)
    backend.fail("create", EngineError("no", message="no"))
    assert build(backend)


def test_a_project_without_a_requirement_needs_no_check() -> None:
    backend = FakeBackend(Answer("3.11.2"))
    backend.add_image(BASE)
    assert build(backend)
    assert backend.runs == []
