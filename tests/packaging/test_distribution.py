"""The contents of the distributions, and a run of the installed wheel."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildr import __version__

if TYPE_CHECKING:
    from tests.engine.harness import Engine

ROOT = Path(__file__).resolve().parents[2]
NAME = f"buildr_oci-{__version__}"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    return out


def sources(*folders: str) -> set[str]:
    """Return the files in folders of the checkout, relative to it, without generated files."""
    return {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_the_two_packages_the_template_and_its_metadata(dist: Path) -> None:
    with zipfile.ZipFile(dist / f"{NAME}-py3-none-any.whl") as wheel:
        found = set(wheel.namelist())
    packages = {path.removeprefix("backends/") for path in sources("buildr", "backends")}
    metadata = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert found == packages | {"buildr/Containerfile.j2"} | {
        f"{NAME}.dist-info/{name}" for name in metadata
    }
    assert {Path(path).suffix for path in packages} == {".json", ".py", ".typed"}


def test_the_sdist_has_everything_for_a_test_run(dist: Path) -> None:
    with tarfile.open(dist / f"{NAME}.tar.gz") as sdist:
        found = {name.removeprefix(f"{NAME}/") for name in sdist.getnames()}
    folders = (
        "buildr",
        "backends",
        "benchmarks",
        "tests",
        "examples",
        "scripts",
        "docs",
        ".ci",
        ".github",
        "requirements",
    )
    files = {
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Containerfile.j2",
        "LICENSE",
        "Makefile",
        "README.md",
        "SECURITY.md",
        "pyproject.toml",
        ".gitignore",  # added by hatchling, so that a build from the sdist excludes the same files
        "PKG-INFO",
    }
    assert found == sources(*folders) | files


def test_the_installed_wheel_runs_from_another_directory(engine: Engine, dist: Path) -> None:
    from tests.engine.harness import project_directory

    for project in project_directory(engine, "elsewhere"):
        site = project / "site"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--no-index",
                "--target",
                site,
                dist / f"{NAME}-py3-none-any.whl",
            ],
            check=True,
        )
        (project / "app").mkdir()
        (project / "app" / "hello.py").write_text((ROOT / "examples/hello.py").read_text())
        done = engine.python(
            str(project / "app" / "hello.py"), cwd=project, env={"PYTHONPATH": str(site)}
        )
        assert done.returncode == 0, done.stderr.decode()
        where = engine.python(
            "-c",
            "import buildr; print(buildr.__file__)",
            cwd=project,
            env={"PYTHONPATH": str(site)},
        )
        assert where.stdout.decode().startswith(str(site))
