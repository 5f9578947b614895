from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildr.errors import DependencyError
from buildr.options import package_options
from buildr.plan.python_version import infer_python_version, python_notes

INLINE = "requires-python in the script's inline metadata"


def test_the_default_version_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')

    assert infer_python_version(tmp_path, None) is None


def test_the_sources_have_an_order(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = "==3.10.*"\n')
    assert infer_python_version(tmp_path, None) == ("3.10", "requires-python in pyproject.toml")

    assert infer_python_version(tmp_path, ("==3.11.*", INLINE)) == ("3.11", INLINE)

    (tmp_path / ".python-version").write_text("3.12\n")
    assert infer_python_version(tmp_path, ("==3.11.*", INLINE)) == ("3.12", ".python-version")


@pytest.mark.parametrize(
    ("content", "version"),
    [
        ("3.12\n", "3.12"),
        ("3.12.4", "3.12.4"),
        ("3", "3"),
        ("\ufeff3.11\r\n", "3.11"),
        ("# mine\n\n  3.12  # comment\n3.11\n", "3.12"),
        ("cpython-3.12\n", "3.12"),
        ("cpython@3.12.1", "3.12.1"),
        ("cpython-3.12.4-linux-x86_64-gnu", "3.12.4"),
        ("python3.13", "3.13"),
        ("pypy3.10-7.3.12\n3.11\n", "3.11"),
        (">=3.11,<3.13", "3.12"),
        (">= 3.11, < 3.13", "3.12"),
        ("3.12.*", "3.12"),
        ("3.12 3.11", "3.12"),
        ("pypy3.10 3.11", "3.11"),
        ("3.13t", "3.13"),
        ("3.13td", "3.13"),
        ("3.13.2+debug", "3.13.2"),
        ("cp312", "3.12"),
        ("v3.12", "3.12"),
        ("39", "3.9"),
        ("3.13.1t", "3.13.1"),
        ("3.13+freethreaded", "3.13"),
        ("cpython-3.13.1+freethreaded-linux-x86_64-gnu", "3.13.1"),
        ("3.14.0rc1", "3.14.0rc1"),
        ("3.12-dev", "3.12"),
        ("3.99-dev", "3.99-rc"),
        ("3.11.4/envs/web", "3.11.4"),
    ],
)
def test_a_pinned_version_is_used(tmp_path: Path, content: str, version: str) -> None:
    (tmp_path / ".python-version").write_bytes(content.encode())

    assert infer_python_version(tmp_path, None) == (version, ".python-version")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# nothing\n",
        "system\n",
        "pypy3.10-7.3.12",
        "graalpy-24.0",
        "miniconda3-4.7.12",
        "venv-name",
    ],
)
def test_an_unusable_pin_is_skipped(tmp_path: Path, content: str) -> None:
    (tmp_path / ".python-version").write_text(content)

    assert infer_python_version(tmp_path, (">=3.11", INLINE)) == ("3", INLINE)
    assert infer_python_version(tmp_path, None) is None


@pytest.mark.parametrize("content", ["2.7.18", "python2.7", "3.7", "3.7t"])
def test_an_unsupported_python_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / ".python-version").write_text(content)

    with pytest.raises(DependencyError, match=r"3\.8 or newer"):
        infer_python_version(tmp_path, None)


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        ("3.12", []),
        ("", []),
        (">=3.11, <3.13", []),
        ("myenv", [r"'myenv' is not a version of CPython; Python 3 is taken"]),
        ("pypy3.10-7.3.12\n3.11", [r"'pypy3.10-7.3.12' is not .* Python 3.11 is taken"]),
        ("miniconda3-4.7.12", ["'miniconda3-4.7.12' is not"]),
        ("system", ["'system' is not a version"]),
        ("3.13t", [r"'3.13t' is a free-threaded build.* Python 3.13 is taken"]),
        ("3.13d", [r"'3.13d' is a debug build.* Python 3.13 is taken"]),
        ("3.12 3.11\n3.10", [r"names several versions; not taken: 3.11, 3.10"]),
    ],
)
def test_adjusted_versions_are_reported(tmp_path: Path, content: str, notes: list[str]) -> None:
    (tmp_path / ".python-version").write_text(content)

    version, origin = infer_python_version(tmp_path, None) or ("3", None)

    said = python_notes(tmp_path, version, origin)
    assert len(said) == len(notes)
    assert all(re.search(note, line) for note, line in zip(notes, said, strict=True))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (".tool-versions", "nodejs 20.1\npython 3.11.9 3.10\n"),
        ("runtime.txt", "python-3.11.9\n"),
        ("mise.toml", '[tools]\npython = "3.11.9"\n'),
    ],
)
def test_files_of_other_tools_are_named(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / file).write_text(content)

    assert [line.partition(";")[0] for line in python_notes(tmp_path, "3", None)] == [
        f"{file} is not read, which names Python 3.11.9"
    ]
    assert python_notes(tmp_path, "3.12", "requires-python in pyproject.toml") == ()


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        (">=3.11", "3"),
        (" >= 3.8 ", "3"),
        (">=3", "3"),
        (">=3.11,<4", "3"),
        (">=3.11,<4.0", "3"),
        ("~=3.11", "3"),
        ("", "3"),
        ("!=3.9.1", "3"),
        ("==3.*", "3"),
        ("==3.11.*", "3.11"),
        ("<3.13,>=3.11", "3.12"),
        ("~=3.11.2", "3.11"),
        (">=3.9,<3.12,!=3.11.*", "3.10"),
        ("==3.11.4", "3.11.4"),
        ("<3.11.5", "3.11.4"),
        ("<=3.12", "3.12.0"),
        ("<3.14", "3.13"),
        ("<3.40", "3.14"),
        (">=3.20,<3.22", "3.20"),
    ],
)
def test_the_newest_released_minor_in_a_range_is_used(
    tmp_path: Path, asked: str, version: str
) -> None:
    assert infer_python_version(tmp_path, (asked, INLINE)) == (version, INLINE)


@pytest.mark.parametrize("asked", ["three", ">=", ">=3.11 <4", "==3.1." + "1" * 5000])
def test_an_invalid_range_is_refused(tmp_path: Path, asked: str) -> None:
    with pytest.raises(DependencyError, match=r"^requires-python"):
        infer_python_version(tmp_path, (asked, INLINE))


@pytest.mark.parametrize("asked", ["<3", "==2.7.*", "==3.7.*", "<3.8", ">3.9,<3.9"])
def test_a_range_without_a_supported_python_is_refused(tmp_path: Path, asked: str) -> None:
    with pytest.raises(DependencyError, match=r"3\.8 or newer") as caught:
        infer_python_version(tmp_path, (asked, INLINE))

    assert "py_version" in caught.value.hint


def test_a_pin_to_an_old_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text("3.7.17\n")

    with pytest.raises(DependencyError, match=r"\.python-version asks for Python 3\.7\.17"):
        infer_python_version(tmp_path, None)


@pytest.mark.parametrize(
    "content",
    [
        "[project\nrequires-python = '>=3'",
        "[project]\nrequires-python = 3.11",
        "[project]\nrequires-python = 'x'",
        "requires-python = " + "[" * 10_000,
    ],
)
def test_a_project_file_that_is_not_valid_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "pyproject.toml").write_text(content)

    with pytest.raises(DependencyError, match=r"pyproject\.toml"):
        infer_python_version(tmp_path, None)


@pytest.mark.parametrize(
    "content",
    ["project = 'requires-python'", "[tool.x]\nrequires-python = '>=3'", "# requires-python\n["],
)
def test_requires_python_in_other_tables_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "pyproject.toml").write_text(content)

    if content.endswith("["):
        with pytest.raises(DependencyError):
            infer_python_version(tmp_path, None)
    else:
        assert infer_python_version(tmp_path, None) is None


@pytest.mark.parametrize("name", [".python-version", "pyproject.toml"])
def test_an_unreadable_file_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff requires-python")
    with pytest.raises(DependencyError, match="not UTF-8"):
        infer_python_version(tmp_path, None)

    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(DependencyError, match="not a regular file"):
        infer_python_version(tmp_path, None)


def test_usual_ranges_need_no_parser(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11,<4"\n')
    code = (
        "import sys\nfrom pathlib import Path\nfrom buildr.plan.python_version import *\n"
        "infer_python_version(Path(sys.argv[1]), None)\nprint('packaging' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], check=True, capture_output=True, text=True
    )

    assert done.stdout == "False\n"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["3", ".", "11", "9", ">=", "<", "==", "~=", ",", "*", "\n", "cpython-", "#"]
        )
        | st.text(max_size=2),
        max_size=8,
    ).map("".join)
)
def test_a_found_version_is_a_valid_option(text: str) -> None:
    with TemporaryDirectory() as context:
        pin = Path(context) / ".python-version"
        pin.write_bytes(text.encode("utf-8", "surrogatepass"))
        for asked in (None, (text, INLINE)):
            try:
                found = infer_python_version(Path(context), asked)
            except DependencyError:
                continue
            if found is not None:
                assert package_options({"py_version": found[0]}).py_version == found[0]
            pin.unlink(missing_ok=True)
