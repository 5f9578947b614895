"""`buildr init`: adds a commented `[tool.buildr]`, and changes nothing else."""

from __future__ import annotations

import re
import resource
import signal
import tomllib
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from buildr.cli import app
from buildr.config.project_file import read_project_file
from buildr.config.template import TEMPLATE

if TYPE_CHECKING:
    from pathlib import Path

OWN = b'# a comment, \xc3\xbc\n[project]   # odd   spacing\nname="x"\n\n[tool.ruff]\n'


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*words: str) -> Result:
    return CliRunner().invoke(app, ["init", *words])


def test_a_new_file_sets_no_option(project: Path) -> None:
    result = init()
    assert (result.exit_code, result.stdout) == (0, "made ./pyproject.toml\n")
    assert (project / "pyproject.toml").read_text() == TEMPLATE
    layer = read_project_file(str(project))
    assert layer is not None
    assert (layer.package, layer.runtime, layer.backend) == ({}, {}, None)


@pytest.mark.parametrize("group", ["package", "runtime"])
def test_each_commented_option_is_valid(project: Path, group: str) -> None:
    table = TEMPLATE.partition(f"[tool.buildr.{group}]")[2].partition("\n[")[0]
    lines = [line[2:] for line in table.splitlines() if line.startswith("# ")]
    assert len(lines) >= 7
    for line in lines:
        (project / "pyproject.toml").write_text(f"[tool.buildr.{group}]\n{line}\n")
        layer = read_project_file(str(project))
        assert layer is not None
        assert [*layer.package, *layer.runtime] == [line.partition(" =")[0]]
    whole = re.sub("(?m)^# (?=[a-z_]+ = )", "", TEMPLATE)
    assert set(tomllib.loads(whole)["tool"]["buildr"]) == {"backend", "package", "runtime"}


@pytest.mark.parametrize("own", [OWN, OWN.rstrip(b"\n"), OWN.replace(b"\n", b"\r\n"), b""])
def test_existing_content_is_kept_byte_for_byte(project: Path, own: bytes) -> None:
    file = project / "pyproject.toml"
    file.write_bytes(own)
    file.chmod(0o640)
    assert init(".").stdout == "added to ./pyproject.toml\n"
    written = file.read_bytes()
    assert written.startswith(own)
    assert written.removeprefix(own).replace(b"\r\n", b"\n").lstrip() == TEMPLATE.encode()
    assert (b"\r\n" in own) == (written.count(b"\n") == written.count(b"\r\n"))
    assert "buildr" in tomllib.loads(written.decode())["tool"]
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        (b"[tool.buildr]\n", "has [tool.buildr] already; nothing was written"),
        (b"tool.buildr.backend = 'docker'\n", "has [tool.buildr] already; nothing was written"),
        (b"[project\n", "cannot be added to ./pyproject.toml: "),
        (b"tool = {}\n", "cannot be added to ./pyproject.toml: "),
        (b"# \xff\n", "cannot be added to ./pyproject.toml: "),
    ],
)
def test_nothing_is_overwritten(
    project: Path, capfd: pytest.CaptureFixture[str], own: bytes, problem: str
) -> None:
    (project / "pyproject.toml").write_bytes(own)
    assert init().exit_code == 125
    assert problem in capfd.readouterr().err
    assert (project / "pyproject.toml").read_bytes() == own


def test_a_full_disk_leaves_the_file_unchanged(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "pyproject.toml").write_bytes(OWN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(OWN) + 100, before[1]))
    try:
        result = init()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert result.exit_code == 125
    assert (project / "pyproject.toml").read_bytes() == OWN
    assert "cannot be written: File too large" in capfd.readouterr().err


def test_a_missing_directory_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    assert init("nowhere").exit_code == 125
    assert "nowhere/pyproject.toml cannot be written" in capfd.readouterr().err
