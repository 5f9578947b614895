"""Every sample of the documentation does something, without an engine."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from buildr.cli import app
from buildr.config.project_file import read_project_file
from buildr.testing import FakeBackend, run_script, using
from tests.samples import PAGES, ROOT, RUN, SHOWN, Sample, samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALL = {str(page.relative_to(ROOT)): samples(page) for page in PAGES}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with the examples, as the pages' reader has it."""
    shutil.copytree(ROOT / "examples", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/dev/null")
    shutil.copy(tmp_path / "hello.py", tmp_path / "app.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(f"{tmp_path}/"):
            del sys.modules[name]


@pytest.mark.parametrize("page", [page for page, found in ALL.items() if found])
def test_the_samples_of_a_page(page: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "sample"}
    for sample in ALL[page]:
        if sample.mark in ("run by", "not run") or sample.language in SHOWN:
            continue
        sys.stdout.write(f"{sample.name}\n")  # shown where it fails
        if sample.mark == "file":
            (place / sample.said).parent.mkdir(parents=True, exist_ok=True)
            (place / sample.said).write_text(sample.text)
            check_file(place / sample.said)
        elif sample.language == "python":
            with using(FakeBackend()):
                exec(compile(sample.text, sample.name, "exec"), names)  # noqa: S102 - our own page
        elif sample.language == "pycon":
            with using(FakeBackend()):
                check_doctest(sample, names)
        elif sample.language == "toml":
            (place / "pyproject.toml").write_text(sample.text)
            check_file(place / "pyproject.toml")
        else:
            for words in commands(sample):
                run(words, sample, monkeypatch)


def check_file(path: Path) -> None:
    if path.suffix == ".py":
        source = path.read_text()
        compile(source, str(path), "exec")
        if "__main__" in source:
            with using(FakeBackend()):
                result = run_script(path)
            assert result.status == 0, result.stderr.decode()
    elif path.suffix == ".toml":
        tomllib.loads(path.read_text())
        read_project_file(str(path.parent))


def check_doctest(sample: Sample, names: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(sample.text, names, sample.name, sample.page, 0)
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    doctest.DocTestRunner(optionflags=flags).run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    assert not said, "".join(said)


def commands(sample: Sample) -> Iterator[list[str]]:
    """Yield the words of each command of the shell."""
    text = sample.text.replace("\\\n", " ")
    for line in text.splitlines():
        if sample.language == "console":
            if not line.startswith("$ "):
                continue
            line = line.removeprefix("$ ")  # noqa: PLW2901 - without the prompt
        words = shlex.split(line, comments=True)
        if words:
            yield words


def run(words: list[str], sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what the shell would, as far as it is ours."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, value = words.pop(0).partition("=")
        monkeypatch.setenv(name, value)
    if not words:
        return
    program, *arguments = words
    if program == "export":
        for word in arguments:
            name, _, value = word.partition("=")
            monkeypatch.setenv(name, value)
    elif program == "cd":
        os.chdir(arguments[0])
    elif program == "mkdir":
        os.makedirs(arguments[-1], exist_ok=True)
    elif program == "buildr":
        with using(FakeBackend()):
            done = CliRunner().invoke(app, arguments, prog_name="buildr")
        assert done.exit_code == 0, f"{sample.name}: {words}\n{done.output}"
    elif program == "python" and arguments[0].endswith(".py"):
        with using(FakeBackend()):
            result = run_script(arguments[0], *arguments[1:])
        assert result.status == 0, f"{sample.name}: {words}\n{result.stderr.decode()}"
    else:
        pytest.fail(f"{sample.name}: nothing runs {words}; mark the block: not run, and why")


@pytest.mark.parametrize(
    "sample",
    [sample for found in ALL.values() for sample in found if sample.mark == "not run"],
    ids=lambda sample: sample.name,
)
def test_samples_that_are_not_run_say_why(sample: Sample) -> None:
    assert len(sample.said.split()) > 2
    pytest.skip(sample.said)


def test_every_sample_has_a_language_and_an_existing_test() -> None:
    for found in ALL.values():
        for sample in found:
            assert sample.language in (*RUN, *SHOWN), sample.name
            if sample.mark == "run by":
                assert (ROOT / sample.said).is_file(), sample.name
