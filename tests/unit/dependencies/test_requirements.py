"""Files of requirements."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildr.dependencies import Dependencies, ProjectFiles, find_dependencies
from buildr.dependencies.requirement import is_buildr, points_into_source
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator


def write(context: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def read(context: Path, files: dict[str, str | bytes]) -> Dependencies:
    write(context, files)
    found = find_dependencies(ProjectFiles(context=context))
    assert found is not None
    return found


def staged(found: Dependencies) -> dict[str, bytes]:
    return {file.path: file.data for file in found.files}


@pytest.mark.parametrize(
    "content",
    [
        "requests==2.31.0  # why\n\n#only a comment\nrich",
        "requests==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n",
        "a\r\nb ; python_version < '3.9'\r\n",
        "\ufeffrequests\n",
        "--index-url https://index.example.org\n--no-binary :all:\na\n",
        "# -*- coding: latin-1 -*-\n# gr\xfc\xdfe\na\n".encode("latin-1"),
        "a\n".encode("utf-16"),
    ],
)
def test_a_file_is_staged_unchanged(tmp_path: Path, content: str | bytes) -> None:
    found = read(tmp_path, {"requirements.txt": content})

    expected = content.encode() if isinstance(content, str) else content
    assert staged(found) == {"requirements.txt": expected}
    assert found.install == ("-r", "requirements.txt")
    assert not found.needs_source
    assert found.notes == ()


@pytest.mark.parametrize(
    "content", ["", "\n", "# nothing\n\n  # at all", "\\\n", "--no-binary :all:\n", "-c c.txt\n"]
)
def test_a_file_without_requirements_installs_nothing(tmp_path: Path, content: str) -> None:
    found = read(tmp_path, {"requirements.txt": content, "c.txt": "a==1\n"})

    assert (found.install, found.files) == ((), ())


def test_nested_files_are_staged_at_the_same_relative_paths(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {
            "requirements.txt": "-r deps/base.txt\n--constraint=deps/c.txt\n",
            "deps/base.txt": "-rmore/x.txt\n--requirement '../a b.txt'\n",
            "deps/more/x.txt": "-c ../c.txt\nx\n",
            "deps/c.txt": "x<2\n",
            "a b.txt": "y\n",
        },
    )

    assert set(staged(found)) == {
        "requirements.txt",
        "deps/base.txt",
        "deps/more/x.txt",
        "deps/c.txt",
        "a b.txt",
    }
    assert found.install == ("-r", "requirements.txt")


@pytest.mark.parametrize(
    "line",
    [
        "-r base.txt",
        "-rbase.txt",
        "-r  base.txt # x",
        "--requirement base.txt",
        "--requirem=base.txt",
        "--requirement=base.txt",
        "-r \\\n base.txt",
        "--pre -r base.txt",
        "--pre x -r base.txt",
        "-r 'base.txt'",
    ],
)
def test_every_spelling_of_a_nested_file_is_followed(tmp_path: Path, line: str) -> None:
    found = read(tmp_path, {"requirements.txt": f"{line}\n", "base.txt": "a\n"})

    assert "base.txt" in staged(found)


def test_pip_follows_no_nested_file_beside_an_editable_requirement(tmp_path: Path) -> None:
    found = read(tmp_path, {"requirements.txt": "-e ./pkg -r absent.txt\n"})

    assert set(staged(found)) == {"requirements.txt"}


def test_a_nested_file_at_a_url_is_left_to_pip(tmp_path: Path) -> None:
    found = read(tmp_path, {"requirements.txt": "-r https://example.org/base.txt\n"})

    assert found.install == ("-r", "requirements.txt")
    assert not found.needs_source


def test_a_nested_file_may_be_named_twice(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"requirements.txt": "-r a.txt\n-r b.txt\n", "a.txt": "-r b.txt\n", "b.txt": "b\n"},
    )

    assert set(staged(found)) == {"requirements.txt", "a.txt", "b.txt"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("-r absent.txt", r"'absent.txt' cannot be read: No such file"),
        ("-c absent.txt", r"cannot be read"),
        ("-r ../secret.txt", r"outside the context"),
        ("-r sub/../../secret.txt", r"outside the context"),
        ("-r link.txt", r"outside the context"),
        ("-r /etc/hostname", r"not there inside the container"),
        ("-r sub", r"not a regular file"),
        ("-r fifo", r"not a regular file"),
        ("-r requirements.txt", r"includes itself"),
        ("-r loop.txt", r"includes itself"),
        ("-r", r"--requirement has no value"),
        ("-r 'base.txt", r"quotation mark"),
        ("-r latin.txt", r"latin.txt is not encoded in utf-8"),
        ("-r codec.txt", r"codec.txt is not encoded"),
    ],
)
def test_an_invalid_nested_file_is_refused(tmp_path: Path, line: str, reason: str) -> None:
    context = tmp_path / "context"
    write(
        context,
        {
            "sub/x": "",
            "loop.txt": "-r ./sub/../requirements.txt\n",
            "latin.txt": b"\xff\n",
            "codec.txt": b"# coding: unicode_escape\na\n",
            "../secret.txt": "s\n",
        },
    )
    os.mkfifo(context / "fifo")
    (context / "link.txt").symlink_to(tmp_path / "secret.txt")

    with pytest.raises(DependencyError, match=reason):
        read(context, {"requirements.txt": f"a\n\n{line}\n"})


def test_an_error_names_the_file_and_the_line(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "requirements.txt": "a\n-r sub/b.txt\n",
        "sub/b.txt": "b \\\n  --hash=x\n\n-r c.txt\n",
    }

    with pytest.raises(DependencyError, match=r"^sub/b\.txt:4: 'sub/c\.txt' cannot be read"):
        read(tmp_path, files)


def test_files_nested_too_deep_are_refused(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"{n}.txt": f"-r {n + 1}.txt\n" for n in range(1200)}

    with pytest.raises(DependencyError, match="nested too deep"):
        read(tmp_path, {**files, "requirements.txt": "-r 0.txt\n"})


@contextmanager
def not_root() -> Iterator[None]:
    """Root reads every file, so become the user nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_without_permission_to_read_is_an_error() -> None:
    with TemporaryDirectory() as folder:
        context = Path(folder)
        write(context, {"requirements.txt": "a\n"})
        (context / "requirements.txt").chmod(0)
        context.chmod(0o755)

        with (
            not_root(),
            pytest.raises(DependencyError, match=r"^requirements\.txt cannot be read: Permission"),
        ):
            find_dependencies(ProjectFiles(context=context))


def test_a_dangling_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").symlink_to("gone.txt")

    with pytest.raises(DependencyError, match=r"^requirements\.txt cannot be read"):
        read(tmp_path, {})


@pytest.mark.parametrize(
    "line",
    [
        "buildr-oci",
        "buildr",
        "Buildr_OCI==0.1.0",
        "buildr.oci ~= 1.0 ; python_version > '3'",
        "BUILDR>=1,<2",
        "buildr-oci[extra]==1",
        "buildr--oci",
        "buildr-oci @ https://example.org/x.tar.gz",
        "buildr-oci@git+https://example.org/buildr",
        "buildr-oci==1 --hash=sha256:aa",
        "git+https://example.org/buildr@main#egg=buildr-oci",
        "git+https://example.org/b#subdirectory=x&egg=buildr_oci[x]",
        "-e git+https://example.org/buildr@main#egg=buildr-oci",
        "--editable=git+https://example.org/b#egg=buildr",
        "./dist/buildr_oci-0.1.0-py3-none-any.whl",
        "https://example.org/buildr-oci-0.1.0.tar.gz#sha256=aa",
        "dist/buildr_oci-0.1.0.tar.gz ; python_version > '3'",
    ],
)
def test_buildr_itself_is_left_out_with_a_note(tmp_path: Path, line: str) -> None:
    found = read(tmp_path, {"requirements.txt": f"a\n{line}\nb\n"})

    assert staged(found) == {"requirements.txt": b"a\n\nb\n"}
    assert len(found.notes) == 1
    assert found.notes[0].startswith("requirements.txt:2: Buildr itself is left out")
    assert not found.needs_source


@pytest.mark.parametrize(
    "line",
    [
        "buildroid",
        "buildr-oci-plugin==1",
        "my-buildr",
        "buildr2",
        "x @ https://buildr.example/x",
        "git+https://example.org/buildr",
        "./buildr-plugin",
        "x[buildr]",
    ],
)
def test_similar_names_are_kept(line: str) -> None:
    assert not is_buildr(line)


def test_leaving_out_keeps_the_lines_and_the_encoding(tmp_path: Path) -> None:
    content = "\ufeff# gr\u00fc\u00dfe\r\nbuildr==1 \\\r\n  --hash=sha256:aa \\\r\n  --hash=sha256:bb\r\na\r\n"

    found = read(tmp_path, {"requirements.txt": content.encode("utf-8")})

    expected = "\ufeff# gr\u00fc\u00dfe\r\n\r\n\r\n\r\na\r\n"
    assert staged(found)["requirements.txt"] == expected.encode()


def test_leaving_out_is_noted_once(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"requirements.txt": "buildr\n-r b.txt\na\n", "b.txt": "buildr-oci\n"},
    )

    assert staged(found)["b.txt"] == b"\n"
    assert len(found.notes) == 1


def test_a_file_with_only_buildr_installs_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, {"requirements.txt": "buildr-oci==0.1.0\n"})

    assert found.install == ()
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "-e.",
        "--editable ./pkg[extra]",
        "--edit=pkg",
        ".",
        "./pkg",
        "pkg/",
        "/abs/pkg",
        "./pkg[extra] ; python_version > '3'",
        "wheels/x-1-py3-none-any.whl",
        "x-1.tar.gz",
        "file:./pkg",
        "file:///pkg",
        "pkg @ file:///pkg",
        "pkg[x]@file:pkg",
        "-e git+file:///repo#egg=x",
        "--find-links wheels",
        "-f ./wheels",
        "-f file:///wheels",
    ],
)
def test_a_requirement_that_points_into_the_source_needs_it(tmp_path: Path, line: str) -> None:
    assert read(tmp_path, {"requirements.txt": f"a\n{line}\n"}).needs_source


@pytest.mark.parametrize("line", ["-e ../pkg", "../pkg", "./a/../../pkg[x]", "-f ../wheels"])
def test_a_path_outside_the_context_is_refused_with_advice(tmp_path: Path, line: str) -> None:
    context = tmp_path / "app"
    with pytest.raises(
        DependencyError, match=r"^requirements\.txt:1 .*outside the conte"
    ) as caught:
        read(context, {"requirements.txt": f"{line}\n"})
    assert '{"context": "..", "dependencies_file": "app/requirements.txt"}' in caught.value.hint
    assert "--context .. --dependencies-file app/requirements.txt" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "in_image"),
    [
        # pip takes what is beside the file that names it, and else what is in the current directory.
        ("--find-links wheels", "--find-links /app/reqs/wheels"),
        ("-f ./wheels", "-f /app/reqs/wheels"),
        ("-f.", "-f/app/reqs"),
        ("--find-links=../top", "--find-links=/app/top"),
        ("--find top --no-index", "--find /app/top --no-index"),
        ("-f 'my wheels'", "-f 'file:///app/reqs/my%20wheels'"),
        ("--no-index \\\n  -f \\\n  wheels", "--no-index \\\n  -f \\\n  /app/reqs/wheels"),
        # These start at the current directory, which is /app, not the file's directory.
        ("-e ./top", "-e ./top"),
        ("./top/x-1.tar.gz", "./top/x-1.tar.gz"),
        ("-e file:./top", "-e file:./top"),
        # What `pip freeze` writes of a package that was installed from a folder.
        ("-e {here}/top", "-e /app/top"),
        ("-e {here}", "-e /app"),
        ("-e {here}/top[extra]", "-e /app/top[extra]"),
        ("demo @ file://{here}/top", "demo @ file:///app/top"),
        (
            "demo[x] @ file://{here}/top ; python_version > '3' --hash=x",
            "demo[x] @ file:///app/top ; python_version > '3' --hash=x",
        ),
        ("{here}/top/x-1.tar.gz", "/app/top/x-1.tar.gz"),
        ("-f file://{here}/top", "-f file:///app/top"),
        # The image itself may have these.
        ("-f /opt/wheels", "-f /opt/wheels"),
        ("-e /opt/demo", "-e /opt/demo"),
    ],
)
def test_paths_have_the_same_meaning_in_the_image(tmp_path: Path, line: str, in_image: str) -> None:
    for folder in ("reqs/wheels", "reqs/my wheels", "top"):
        (tmp_path / folder).mkdir(parents=True)
    text, wanted = (words.replace("{here}", str(tmp_path)) for words in (line, in_image))
    files: dict[str, str | bytes] = {
        "requirements.txt": "-r reqs/dev.txt\n",
        "reqs/dev.txt": f"# comment\n{text}\na\n",
    }
    assert staged(read(tmp_path, files))["reqs/dev.txt"].decode() == f"# comment\n{wanted}\na\n"


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a>=1 ; sys_platform == 'a/b'",
        "a[x]",
        "a @ https://example.org/a.whl",
        "https://example.org/a.tar.gz",
        "-e git+https://example.org/a#egg=a",
        "git+ssh://git@example.org/a.git",
        "-f https://example.org/wheels",
        "--extra-index-url https://example.org/",
        "a --config-settings ./x",
        "--unknown ./x",
    ],
)
def test_other_requirements_do_not_need_the_source(tmp_path: Path, line: str) -> None:
    assert not read(tmp_path, {"requirements.txt": f"b\n{line}\n"}).needs_source


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://me:hunter2@index.example.org/",
        "a @ https://hunter2@example.org/a.whl",
        "git+https://x:hunter2@example.org/a",
    ],
)
def test_credentials_are_noted_and_never_shown(tmp_path: Path, line: str) -> None:
    found = read(tmp_path, {"requirements.txt": f"a\n{line}\n"})

    assert len(found.notes) == 1
    assert found.notes[0].startswith("requirements.txt:2: the URL holds credentials")
    assert "hunter2" not in found.notes[0]


@pytest.mark.parametrize(
    "line",
    [
        "-i https://${USER}:${TOKEN}@index.example.org/",
        "-i https://me:${TOKEN}@index.example.org/",
        "git+ssh://git@example.org/a",
        "https://example.org/a@1.whl",
    ],
)
def test_other_values_are_not_noted_as_credentials(tmp_path: Path, line: str) -> None:
    assert read(tmp_path, {"requirements.txt": f"a\n{line}\n"}).notes == ()


WORDS = st.sampled_from(
    [
        "-r",
        "-c ",
        "-e",
        "--req",
        "=",
        " ",
        "\\\n",
        "\n",
        "\r\n",
        "#",
        " #",
        "'",
        '"',
        "a.txt",
        "..",
        "/",
        "buildr",
        "-oci",
        "@",
        "https://u:p@h/",
        "file:",
        "\0",
        "\x85",
        "\ufeff",
        "[x]",
        ";",
        "==1",
        ".",
        "# coding: utf-7",
        "# coding: \u2028",
        "requirements.txt",
        "-f",
        "--hash=x",
        "\ud800",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS | st.text(max_size=4), max_size=12).map("".join), st.binary(max_size=30))
def test_any_file_is_read_or_refused(content: str, nested: bytes) -> None:
    with TemporaryDirectory() as context:
        data = content.encode("utf-8", "surrogatepass")
        write(Path(context), {"requirements.txt": data, "a.txt": nested})
        try:
            found = find_dependencies(ProjectFiles(context=Path(context)))
        except DependencyError:
            return
        assert found is not None
        for file in found.files:
            assert ".." not in file.path.split("/")
            lines = len((data if file.path == "requirements.txt" else nested).splitlines())
            assert len(file.data.splitlines()) in {lines, lines - 1}


@given(st.text())
def test_any_text_is_classified(text: str) -> None:
    assert points_into_source(text) in {True, False}
    assert is_buildr(text) in {True, False}
