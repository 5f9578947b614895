from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildr.errors import ContextError
from buildr.plan.dockerfile import bases, read_dockerfile

if TYPE_CHECKING:
    from pathlib import Path


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
        ("FROM", ()),
        ("", ()),
    ],
)
def test_the_images_that_a_containerfile_needs_are_found(text: str, found: tuple[str, ...]) -> None:
    assert bases(text.encode()) == found


def test_a_containerfile_need_not_be_utf_8() -> None:
    assert bases("# Grüße\nFROM a".encode("latin-1")) == ("a",)


def test_a_containerfile_that_is_gone_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=r"the dockerfile .*/gone cannot be read: No such file"):
        read_dockerfile(str(tmp_path / "gone"))
