"""What a Containerfile asks for beyond the files of its build and a private network."""

from __future__ import annotations

import pytest

from buildr.plan.dockerfile_reach import reach, triggers_reach

NETWORK = "the network of this host, with what listens on 127.0.0.1 there, for its steps"
UNCONFINED = "steps without the engine's confinement"
CACHES = "caches that other builds on this engine use"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("RUN --network=host true", NETWORK),
        ("run --mount=type=bind,source=x,target=/x --network=HOST true", NETWORK),
        ("ARG N=host\nRUN --network=$N true", NETWORK),
        ('RUN --net"work=ho"st true', NETWORK),
        ("RUN \\\n# a comment\n  --network=host \\\n  true", NETWORK),
        ("ONBUILD RUN --network=host true", NETWORK),
        ("RUN --security=insecure true", UNCONFINED),
        ("RUN --security=${X:-insecure} true", UNCONFINED),
        ("RUN --device=nvidia.com/gpu=all true", "the device nvidia.com/gpu=all for its steps"),
        ("RUN --mount=type=cache,target=/root/.cache/pip true", CACHES),
        ('RUN --mount=type=cache,"target=/x,type=bind" true', CACHES),
        ("RUN --mount=target=/x,Type=CACHE true", CACHES),
        ("RUN --mount=type=$T,target=/x true", "a mount of the type $T for its steps"),
        ("RUN --mount=type=bind,from=dir:/srv,target=/x true", "dir:/srv of this host as an image"),
        ("COPY --from=oci-archive:/srv/x.tar / /x", "oci-archive:/srv/x.tar of this host as an image"),
        ("COPY --from=$X / /x", "$X of this host as an image"),
        ("FROM docker-archive:/home/me/x.tar", "docker-archive:/home/me/x.tar of this host as an image"),
        ("FROM ${X:-dir:/srv}", "dir:/srv of this host as an image"),
        ("ADD http://127.0.0.1:8080/ /x", "http://127.0.0.1:8080/, which the engine gets over the network of this host"),
        ('ADD --chmod=600 ["a", "\\u0068ttp://h/", "/x"]', "http://h/, which the engine gets over the network of this host"),
        ("ADD ht\\tp://h/ /x", "http://h/, which the engine gets over the network of this host"),
        ("ADD 'h'ttp://h/ /x", "http://h/, which the engine gets over the network of this host"),
        ("ADD h${A}h/ /x", "h${A}h/, which the engine gets over the network of this host"),
        ("ADD git@h:x.git /x", "git@h:x.git, which the engine gets over the network of this host"),
        ("ADD GitHub.com/a/b /x", "GitHub.com/a/b, which the engine gets over the network of this host"),
    ],
)  # fmt: skip
def test_requests_beyond_the_build_are_named(line: str, what: str) -> None:
    before = "" if line.startswith("FROM") else "FROM a\n"
    assert reach(f"{before}{line}\n".encode()) == (what,)


@pytest.mark.parametrize(
    "line",
    [
        "RUN pip install --network=host x",
        "RUN --network=none true",
        "RUN --network=default true",
        "RUN --security=sandbox true",
        "RUN --mount=type=bind,target=/x --mount=type=tmpfs,target=/y true",
        "RUN --mount=type=secret,id=pip.conf --mount=type=ssh true",
        "RUN --mount=from=wheels,target=/wheels true",
        "RUN <<EOF\nRUN --network=host true\nEOF",
        "# RUN --network=host true",
        "COPY --from=tools:2 /a /b",
        "COPY http://x/ y/",
        "ADD x.tar.gz dist/app-$VERSION.tar.gz http:/x /y/",
        "ADD x $HOME",
        'ADD ["x", "http://target/"]',
        "ENV X=http://127.0.0.1/",
        "FROM oci",
        "FROM dir/x:1",
    ],
)
def test_other_instructions_are_not_named(line: str) -> None:
    assert reach(f"# syntax=docker/dockerfile:1-labs\nFROM a\n{line}\n".encode()) == ()


def test_a_foreign_frontend_is_named() -> None:
    what = "example.org/x as its builder, which decides what its lines mean"
    assert reach(b"# syntax=example.org/x\nFROM a\n") == (what,)


def test_each_request_is_named_once() -> None:
    assert reach(b"FROM a\n" + 3 * b"RUN --network=host --security=insecure true\n") == (
        NETWORK,
        UNCONFINED,
    )


def test_onbuild_requests_are_named() -> None:
    assert triggers_reach(("COPY . /src", "RUN --network=host true")) == (NETWORK,)
    assert triggers_reach(("COPY . /src", "RUN make")) == ()
