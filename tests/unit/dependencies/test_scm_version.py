"""Versions from Git that the host says, since ``.git`` does not travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildr.dependencies.scm_version import scm_versions
from buildr.options import package_options
from buildr.plan.containerfile import render
from buildr.plan.entry import Entry
from buildr.plan.project import plan

if TYPE_CHECKING:
    from pathlib import Path

NAME = "SETUPTOOLS_SCM_PRETEND_VERSION"


def containerfile(directory: Path, requirements: str) -> str:
    (directory / "app.py").write_text("print()\n")
    (directory / "requirements.txt").write_text(requirements)
    entry = Entry(kind="script", script=str(directory / "app.py"))
    return render(plan(entry, package_options({"context": str(directory)})).recipe)


@pytest.mark.parametrize(
    "name",
    [NAME, f"{NAME}_FOR_MY_DEMO", "PBR_VERSION", "PDM_BUILD_SCM_VERSION"],
)
def test_a_version_from_git_on_the_host_reaches_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1.2.dev3+gabc")
    (step,) = (line for line in containerfile(tmp_path, "-e .\n").splitlines() if " pip " in line)
    assert f" {name}=1.2.dev3+gabc python -m pip install" in step


def test_only_packages_of_the_source_have_a_version_from_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, "1.2")
    assert NAME not in containerfile(tmp_path, "idna\n")


@pytest.mark.parametrize("value", ["", "1 2", "1;rm", "$(x)", "1\n", "1" * 200])
def test_an_invalid_version_is_ignored(value: str) -> None:
    assert scm_versions({NAME: value, "OTHER_VERSION": "1"}) == ()
