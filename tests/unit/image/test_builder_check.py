"""What a user's own Containerfile uses and a builder does not know is refused, with what to do."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from buildr.engines.records import Builder, EngineInfo
from buildr.errors import BuildError
from buildr.image.builder_check import check

HEREDOC = b"FROM a\n\nRUN <<END\ntrue\nEND\n"
OLD = EngineInfo(
    backend="podman",
    version="4.3.1",
    rootless=True,
    remote=False,
    endpoint="unix:///x",
    found="",
    builder=Builder(lacks={"here-documents": "Podman 4.8", "COPY --link": "Podman 5.4"}),
)
FETCHING = replace(OLD, builder=Builder(name="BuildKit", lacks=OLD.builder.lacks, frontends=True))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            HEREDOC,
            "/x/Dockerfile, line 3: Podman 4.3.1 does not know here-documents",
            "Podman 4.8 does. Join the commands with `&&`, or COPY a file that holds them.",
        ),
        (
            b"FROM a\nCOPY --link b c",
            "/x/Dockerfile, line 2: Podman 4.3.1 does not know COPY --link",
            "Podman 5.4 does. Leave --link out: the image has the same files.",
        ),
    ],
)
def test_features_that_a_builder_lacks_are_reported(text: bytes, message: str, hint: str) -> None:
    with pytest.raises(BuildError, match=re.escape(message)) as error:
        check(text, "/x/Dockerfile", OLD)
    assert str(error.value.hint) == hint


@pytest.mark.parametrize(
    "text", [b"FROM a\nRUN echo $((1<<20))", b"FROM a\nRUN --mount=type=tmpfs x"]
)
def test_everything_else_passes(text: bytes) -> None:
    check(text, "/x/Dockerfile", OLD)
    check(HEREDOC, "/x/Dockerfile", replace(OLD, builder=Builder()))


def test_a_frontend_named_by_the_file_is_trusted() -> None:
    check(b"# syntax=docker/dockerfile:1\n" + HEREDOC, "/x/Dockerfile", FETCHING)
    with pytest.raises(BuildError, match="BuildKit does not know here-documents") as error:
        check(HEREDOC, "/x/Dockerfile", FETCHING)
    assert "# syntax=docker/dockerfile:1" in str(error.value.hint)
    with pytest.raises(BuildError):
        check(b"# syntax=docker/dockerfile:1\n" + HEREDOC, "/x/Dockerfile", OLD)
