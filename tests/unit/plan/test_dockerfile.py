from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from buildr.errors import ContextError
from buildr.plan.dockerfile import (
    bases,
    frontend,
    needed_bases,
    needs,
    read_dockerfile,
    without_frontend,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_an_unmatched_quote_takes_linear_time() -> None:
    assert bases(("FROM " + '"' + "\\a" * 4000).encode()) is not None


def test_many_stages_flags_and_words_take_linear_time() -> None:
    stages = 20_000
    text = (
        "FROM x AS a\n" * stages
        + "COPY --from=a / /\n" * 1000
        + "RUN "
        + "--a " * stages
        + "b " * stages
    )
    assert bases(text.encode()) == ("x",)
    assert "RUN --a" in needs(text.encode())


def test_exponentially_growing_arguments_are_refused() -> None:
    doubling = [f"ARG A{n + 1}=${{A{n}}}${{A{n}}}\n" for n in range(60)]
    assert bases(f"ARG A0=x\n{''.join(doubling[:9])}FROM ${{A9}}\n".encode()) == ("x" * 512,)
    for text in (
        f"ARG A0=x\n{''.join(doubling)}FROM a\n",
        f"ARG A0={'x' * 500}\nFROM {'${A0}' * 9}\n",
    ):
        with pytest.raises(ContextError, match="expands to more than 4096 characters"):
            bases(text.encode())


def test_a_long_name_is_refused() -> None:
    nested = "${a:-" * (1 << 16)
    assert bases(f"ARG B={nested}\nFROM {nested}\nFROM b\n".encode()) == ("b",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM python:3.12", ("python:3.12",)),
        ("from python:3.12\nRUN true", ("python:3.12",)),
        ("# FROM no\n\n  FROM yes\n", ("yes",)),
        ("FROM --platform=linux/amd64 a AS b\nFROM b\nFROM c", ("a", "c")),
        ("FROM a AS Build\nFROM x\nCOPY --from=build /a /b", ("a", "x")),
        ("FROM a\nCOPY --chown=1:1 --from=tools:2 /a /b", ("a", "tools:2")),
        ("FROM a\nCOPY --from=0 /a /b", ("a",)),
        ("FROM scratch\nCOPY a b", ()),
        ("FROM a\nFROM a", ("a",)),
        ("FROM \\\n  # a comment between\n  a \\\n  AS b\nFROM b", ("a",)),
        ("# escape=`\nFROM `\na", ("a",)),
        ("# syntax=docker/dockerfile:1\n#escape = `\nFROM `\na", ("a",)),
        ("# a comment\n# escape=`\nFROM a\nRUN x\\\nFROM b", ("a",)),
        ("\ufeffFROM a", ("a",)),
        ("FROM a@sha256:" + 64 * "0", ("a@sha256:" + 64 * "0",)),
        ("ARG V=3.12\nFROM python:$V-slim", ("python:3.12-slim",)),
        ("ARG V=3.12\nFROM python:${V}", ("python:3.12",)),
        ('ARG V="3.12" W=slim\nFROM python:${V}-${W}', ("python:3.12-slim",)),
        ("ARG V=3\nARG I=python:$V\nFROM $I", ("python:3",)),
        ("ARG V\nFROM python:${V:-3}", ("python:3",)),
        ("ARG V=\nFROM python:${V:-3}\nFROM x:${V-y}z", ("python:3", "x:z")),
        ("ARG V=1\nFROM python:${V:+3}${U:+4}", ("python:3",)),
        ("ARG V\nFROM python:$V\nFROM $U", ()),
        ("ARG V=1 W=x\nFROM ${U:-$W}\nFROM ${V:+${W}y}\nFROM ${U-${N}}", ("x", "xy")),
        ("FROM a\nARG V=3\nFROM python:$V", ("a",)),
        ("FROM a\nRUN <<END\nFROM b\nEND\nCOPY --from=c /a /b", ("a", "c")),
        ("FROM a\nRUN <<-'END' cat\nFROM b\nEND", ("a",)),
        ("FROM a\nRUN <<END\nFROM b", ("a",)),
        # What only looks like a here-document.
        ("FROM a\nRUN echo $((1<<20))\nFROM b", ("a", "b")),
        ("FROM a\nRUN echo $((1 << 20))\nFROM b", ("a", "b")),
        ("FROM a\nRUN python -c 'print(1<<n)'\nFROM b", ("a", "b")),
        ('FROM a\nRUN python -c "print(1 <<n)"\nFROM b', ("a", "b")),
        ("FROM a\nRUN bc <<<three\nFROM b", ("a", "b")),
        ("FROM a\nRUN bc <<< three\nFROM b", ("a", "b")),
        ("FROM a\nRUN echo \\<<END\nFROM b", ("a", "b")),
        ("FROM a\nRUN cat << END\nFROM b", ("a", "b")),
        ('FROM a\nRUN ["cat", "<<END"]\nFROM b', ("a", "b")),
        ("FROM a\nENV A=<<END\nFROM b", ("a", "b")),
        ("FROM a\nLABEL a=b <<END\nFROM b", ("a", "b")),
        ("FROM a\nCMD cat <<END\nFROM b", ("a", "b")),
        ("FROM a\nRUN echo 'open <<END\nFROM b", ("a", "b")),
        ("FROM a\n# RUN <<END\nFROM b", ("a", "b")),
        # Here-documents.
        ("FROM a\nRUN <<ONE cat <<TWO\nFROM b\nONE\nFROM c\nTWO\nFROM d", ("a", "d")),
        ("FROM a\nRUN cat \\\n # a comment\n\n <<END\nFROM b\nEND\nFROM c", ("a", "c")),
        ('FROM a\nCOPY <<"A B" /x\nFROM b\nA B\nFROM c', ("a", "c")),
        ("FROM a\nCOPY <<-EOF /x\nFROM b\n\t\tEOF\nFROM c", ("a", "c")),
        ("FROM a\nCOPY <<EOF /x\nFROM b\n\tEOF\n EOF\nEOF \nEOF\nFROM c", ("a", "c")),
        ("FROM a\nADD <<E.txt /x\nFROM b\nE.txt\nFROM c", ("a", "c")),
        ("FROM a\nRUN 3<<END cat\nFROM b\nEND\nFROM c", ("a", "c")),
        ("FROM a\nRUN --mount=type=cache,target=/c <<END\nFROM b\nEND\nFROM c", ("a", "c")),
        ("FROM a\nONBUILD RUN <<END\nFROM b\nEND\nFROM c", ("a", "c")),
        ("FROM a\r\nRUN <<END\r\nFROM b\r\nEND\r\nFROM c\r\n", ("a", "c")),
        ("FROM a\nRUN <<END\n# not a comment \\\nEND\nFROM b", ("a", "b")),
        ("# escape=`\nFROM a\nRUN dir c:\\\nFROM b", ("a", "b")),
        ("# unknown=1\n# escape=`\nFROM a\nRUN x `\nFROM b", ("a", "b")),
        ("FROM a\nRUN echo a\\\\\nFROM b", ("a", "b")),
        ("FROM a\nRUN echo a \\  \n FROM b", ("a",)),
        # What files come from.
        ("FROM a\nRUN --mount=type=bind,from=b,target=/b ls /b", ("a", "b")),
        ("FROM a\nRUN --mount=type=cache,target=/c --mount=from=b,target=/b x", ("a", "b")),
        ("FROM a AS x\nRUN x\nFROM b\nRUN --mount=from=x,target=/x ls /x", ("a", "b")),
        ("FROM a\nONBUILD COPY --from=b / /", ("a",)),
        ("FROM a AS x\nFROM x AS x\nFROM x", ("a",)),
        ("FROM --platform=$BUILDPLATFORM a\nCOPY --link --from=b / /", ("a", "b")),
        ("FROM", ()),
        ("", ()),
    ],
)
def test_the_images_that_a_containerfile_needs_are_found(text: str, found: tuple[str, ...]) -> None:
    assert bases(text.encode()) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM a AS test\nFROM b", ("b",)),
        ("FROM a AS test\nFROM b AS base\nFROM base", ("b",)),
        ("FROM a AS tools\nFROM b AS test\nFROM c\nCOPY --from=tools / /", ("a", "c")),
        ("FROM a\nFROM b\nFROM c\nRUN --mount=from=0,target=/x ls", ("a", "c")),
        ("FROM a AS one\nCOPY --from=x / /\nFROM one AS two\nFROM two", ("a", "x")),
        ("", ()),
    ],
)
def test_only_images_of_the_last_stage_are_needed(text: str, found: tuple[str, ...]) -> None:
    assert needed_bases(text.encode()) == found


def test_the_arguments_that_builders_set_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine="aarch64"))
    text = (
        b"FROM --platform=$BUILDPLATFORM a-$TARGETARCH AS x\nFROM ${TARGETOS}-b\nCOPY --from=x / /"
    )
    assert bases(text) == ("a-arm64", "linux-b")


def test_required_features_are_found_with_their_line() -> None:
    text = """\
# syntax=docker/dockerfile:1
FROM --platform=linux/amd64 a AS x
RUN --mount=type=cache,target=/c \\
    # a comment
    --mount=type=bind,target=/b true

COPY --link --from=x --chmod=0644 a b
RUN <<END
RUN --network=none true
END
ADD --checksum=sha256:00 https://example.org/a /a
"""
    assert needs(text.encode()) == {
        "RUN --mount": 3,
        "COPY --link": 7,
        "COPY --chmod": 7,
        "here-documents": 8,
        "ADD --checksum": 11,
    }


@pytest.mark.parametrize(
    ("text", "found", "left"),
    [
        ("# syntax=d/f:1\nFROM a", "d/f:1", "\nFROM a"),
        ("#Syntax = d/f:1 x\n# escape=`\nFROM `\na", "d/f:1", "# escape=`\n\nFROM `\na"),
        ("# escape=`\n# syntax=d/f\nFROM a", "d/f", "# escape=`\n\nFROM a"),
        ("\ufeff# syntax=d/f\nFROM a", "d/f", "\nFROM a"),
        ("# a comment\n# syntax=d/f:1\nFROM a", "", "# a comment\n# syntax=d/f:1\nFROM a"),
        ("FROM a", "", "FROM a"),
    ],
)
def test_the_frontend_of_a_containerfile_can_be_left_out(text: str, found: str, left: str) -> None:
    assert frontend(text.encode()) == found
    assert without_frontend(text.encode()) == left.encode()


def test_a_containerfile_need_not_be_utf_8() -> None:
    assert bases("# Grüße\nFROM a".encode("latin-1")) == ("a",)


def test_a_missing_containerfile_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=r"the dockerfile .*/gone cannot be read: No such file"):
        read_dockerfile(str(tmp_path / "gone"))
