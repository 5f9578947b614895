"""Inline metadata of a script, by PEP 723."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildr.dependencies import Dependencies, ProjectFiles, find_dependencies
from buildr.dependencies.requirement import is_requirement
from buildr.errors import DependencyError


def read(context: Path, script: str | bytes) -> Dependencies | None:
    path = context / "app.py"
    path.write_bytes(script.encode() if isinstance(script, str) else script)
    return find_dependencies(ProjectFiles(context=context, script=path))


def block(*lines: str) -> str:
    return "\n".join(["# /// script", *(f"# {line}" for line in lines), "# ///", ""])


def test_a_block_has_dependencies_and_a_python_version(tmp_path: Path) -> None:
    script = """#!/usr/bin/env python
\"\"\"A script.\"\"\"

# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "requests<3",
#   "rich[jupyter] >= 13 ; python_version < '3.14'",
# ]
#
# [tool.uv]
# exclude-newer = "2024-01-01T00:00:00Z"
# ///

import requests
"""

    found = read(tmp_path, script)

    assert found is not None
    assert found.source == "the inline metadata of app.py"
    assert found.requires_python == ">=3.11"
    assert found.install == ("-r", "requirements.txt")
    assert [(file.path, file.data) for file in found.files] == [
        (
            "requirements.txt",
            b"requests<3\nrich[jupyter] >= 13 ; python_version < '3.14'\n",
        )
    ]
    assert not found.needs_source


@pytest.mark.parametrize("lines", [(), ('requires-python = ">=3.11"',), ("dependencies = []",)])
def test_a_block_without_dependencies_installs_nothing(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    found = read(tmp_path, block(*lines))

    if lines:
        assert found is not None
        assert (found.install, found.files) == ((), ())
    else:
        assert found is None, "the specification's expression wants at least one line of content"


@pytest.mark.parametrize(
    "script",
    [
        "",
        "print('# /// script')\n",
        "# /// scripts\n# dependencies = ['a']\n# ///\n",
        "# see the block /// script\n",
        'TEMPLATE = """\n# /// script\n# dependencies = []\n"""\n',
        '"""\n    # /// script\n    # dependencies = []\n"""\n',
    ],
)
def test_other_comments_are_ignored(tmp_path: Path, script: str) -> None:
    assert read(tmp_path, script) is None


@pytest.mark.parametrize(
    ("script", "line", "reason"),
    [
        ("# /// script\n# dependencies = ['a']\n", 1, "not closed"),
        ("import a\n# /// script\n# dependencies = ['a']\n\n# ///\n", 2, "not closed"),
        ("# /// script\n# dependencies = ['a']\n# /// \n", 1, "not closed"),
        ("if 1:\n    # /// script\n    # dependencies = ['a']\n    # ///\n", 2, "opens with"),
        ("#/// script\n# dependencies = ['a']\n# ///\n", 1, "opens with"),
        ("# ///script\n# dependencies = ['a']\n# ///\n", 1, "opens with"),
        ("# /// script \n# dependencies = ['a']\n# ///\n", 1, "opens with"),
        ("# /// Script\n# dependencies = ['a']\n# ///\n", 1, "opens with"),
        ("## /// script\n# dependencies = ['a']\n# ///\n", 1, "opens with"),
        ("# /// script\n#dependencies = ['a']\n# ///\n", 2, "no blank after"),
        ("# /// script\n# dependencies = [\n#\t'a']\n# ///\n", 3, "no blank after"),
        ("# /// script\n# dependencies = ['a']\n# ///\n\n# /// script\n#x\n", 6, "no blank"),
        ("def (:\n# /// script\n", 2, "not closed"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_damaged_block_is_an_error_with_its_line(
    tmp_path: Path, script: str, line: int, reason: str, end: str
) -> None:
    with pytest.raises(DependencyError, match=rf"^app\.py:{line}: .*{reason}"):
        read(tmp_path, script.replace("\n", end))


def test_the_last_closing_line_of_the_comment_ends_the_block(tmp_path: Path) -> None:
    script = block("dependencies = ['a']", 'x = """', "/// <summary>", "/// text", "///", '"""')

    found = read(tmp_path, script)

    assert found is not None
    assert found.files[0].data == b"a\n"


def test_a_block_of_another_type_is_ignored(tmp_path: Path) -> None:
    other = block("dependencies = ['b']").replace("script", "other-tool")

    found = read(tmp_path, other + "\n" + block("dependencies = ['a']"))

    assert found is not None
    assert found.files[0].data == b"a\n"


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_every_line_ending_is_read(tmp_path: Path, end: str) -> None:
    found = read(tmp_path, block("dependencies = ['a']").replace("\n", end))

    assert found is not None
    assert found.files[0].data == b"a\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_the_scripts_encoding_is_kept(tmp_path: Path, encoding: str) -> None:
    script = f"# coding: {encoding}\n# gr\u00fc\u00dfe\n" + block("dependencies = ['a']")

    found = read(tmp_path, script.encode(encoding))

    assert found is not None
    assert found.files[0].data == b"a\n"


def test_two_blocks_are_an_error_with_their_lines(tmp_path: Path) -> None:
    script = "\n\n" + block("dependencies = []") + "\n" + block("dependencies = []")

    with pytest.raises(DependencyError, match=r"app\.py has more than one .* lines 3 and 7"):
        read(tmp_path, script)


def test_invalid_toml_is_an_error_with_the_line_of_the_script(tmp_path: Path) -> None:
    script = "import os\n" + block("dependencies = []", "requires-python = >3")

    with pytest.raises(DependencyError, match=r"^app\.py:2: .*at line 4"):
        read(tmp_path, script)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("dependencies = 'a'",), "not a list of strings"),
        (("dependencies = ['a', 5]",), "not a list of strings"),
        (("requires-python = 3.11",), "requires-python .* not a string"),
        (("dependencies = ['a b']",), "'a b' .* not a requirement"),
        (("dependencies = ['']",), "'' .* not a requirement"),
        (("dependencies = ['-r other.txt']",), "'-r other.txt' .* is a file"),
        (("dependencies = ['./pkg']",), "not a requirement"),
        (("dependencies = ['a>=']",), "not a requirement"),
        (("dependencies = ['a>=1.*']",), "not a requirement"),
        (("dependencies = ['a,']",), "not a requirement"),
        (('dependencies = ["a\\n--index-url x"]',), "not a requirement"),
        (("dependencies = ['a @ https://example.org/x\\']",), "not a requirement"),
        (("dependencies = ['a ; python_version > \" #\"']",), "not a requirement"),
        (("x = " + "[" * 10_000,), "not valid TOML"),
    ],
)
def test_a_block_that_is_not_valid_is_refused(
    tmp_path: Path, lines: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(DependencyError, match=rf"(?s)^app\.py.*{reason}"):
        read(tmp_path, block(*lines))


def test_a_script_with_invalid_encoding_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=r"app\.py is not encoded in utf-8"):
        read(tmp_path, b"# \xff\n" + block("dependencies = []").encode())


def test_a_script_without_a_block_may_be_in_any_encoding(tmp_path: Path) -> None:
    assert read(tmp_path, b"# \xff\n") is None


def test_a_script_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=r"gone\.py cannot be read"):
        find_dependencies(ProjectFiles(context=tmp_path, script=tmp_path / "gone.py"))


def test_a_script_outside_the_context_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(block("dependencies = []"))
    (tmp_path / "context").mkdir()

    found = find_dependencies(
        ProjectFiles(context=tmp_path / "context", script=tmp_path / "app.py")
    )

    assert found is not None
    assert found.source == "the inline metadata of app.py"


def test_buildr_itself_is_left_out_with_a_note(tmp_path: Path) -> None:
    found = read(tmp_path, block("dependencies = ['Buildr_OCI>=1', 'a', 'buildr']"))

    assert found is not None
    assert found.files[0].data == b"a\n"
    assert len(found.notes) == 1
    assert "Buildr itself is left out" in found.notes[0]


def test_a_requirement_on_a_file_needs_the_source(tmp_path: Path) -> None:
    found = read(tmp_path, block("dependencies = ['a @ file:///app/a']"))

    assert found is not None
    assert found.needs_source


def test_credentials_are_never_shown(tmp_path: Path) -> None:
    found = read(tmp_path, block("dependencies = ['a @ https://me:hunter2@example.org/a.whl']"))

    assert found is not None
    assert "credentials" in found.notes[0]
    assert "hunter2" not in found.notes[0]
    for wrong in ("['a b https://me:hunter2@example.org/']", "[https://me:hunter2@example.org/]"):
        with pytest.raises(DependencyError) as caught:
            read(tmp_path, block(f"dependencies = {wrong}"))
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["a", "a==1", "a >= 1.2, < 2", "a[x,y]~=1.0", "a!=1.*", "a == 1.0.post1", "a<2;x>'3'"]
)
def test_plain_requirements_are_read_like_the_parser_does(text: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
        valid = True
    except InvalidRequirement:
        valid = False

    assert is_requirement(text) is valid


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab1.,<>=~!*[]- ;", max_size=10))
def test_any_text_is_read_like_the_parser_does(text: str) -> None:
    test_plain_requirements_are_read_like_the_parser_does(text)


def test_plain_requirements_need_no_parser(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(block("dependencies = ['a', 'rich>=13,<15', 'b[c]==1.*']"))
    code = (
        "import sys\nfrom pathlib import Path\nfrom buildr.dependencies import *\n"
        "find_dependencies(ProjectFiles(context=Path(sys.argv[1]), script=Path('app.py')))\n"
        "print('packaging' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], check=True, capture_output=True, text=True
    )

    assert done.stdout == "False\n"


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=40) | st.sampled_from(["dependencies = [", "'a'", "]", "\n# ", "\n# ///\n"])
)
def test_any_block_is_read_or_refused(content: str) -> None:
    with TemporaryDirectory() as context:
        script = f"# /// script\n# {content}\n# dependencies = ['a']\n# ///\n"
        try:
            found = read(Path(context), script.encode("utf-8", "surrogatepass"))
        except DependencyError:
            return
        assert found is None or all(file.path == "requirements.txt" for file in found.files)
