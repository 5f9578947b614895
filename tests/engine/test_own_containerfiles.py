"""Modern Containerfiles: features of BuildKit and Buildah are built on every engine, or refused with advice."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildr_backends.podman.builder import builder
from tests.engine.images import Site, files_of, site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

MODERN = """\
# syntax=docker/dockerfile:1
ARG BASE={base}
FROM --platform=$BUILDPLATFORM 127.0.0.1:9/not/there:1 AS unneeded
RUN false

FROM --platform=$BUILDPLATFORM ${{BASE}} AS tools
RUN --mount=type=cache,target=/cache echo $((1<<20)) > /made && touch /cache/kept
RUN --mount=type=tmpfs,target=/scratch touch /scratch/gone

FROM $BASE
WORKDIR /srv
RUN --mount=type=bind,from=tools,source=/made,target=/from-tools cat /from-tools > copied
COPY --from=tools --chmod=0640 /made made
COPY --chmod=0755 . .
CMD ["python", "app.py"]
"""
HEREDOCS = """\
FROM {base}
WORKDIR /srv
RUN <<ONE
echo first > one
echo second >> one
ONE
COPY <<-"TWO" three /srv/
\t$not expanded
\tTWO
COPY . .
CMD ["python", "app.py"]
"""
WITH_SECRETS = """\
FROM {base}
# Secrets are not part of the cache key: without this line, a cached step of another run would be used.
ENV RUN={name}
RUN --mount=type=secret,id=TOKEN test "$(wc -c < /run/secrets/TOKEN)" = 14 && echo "seen: $(cat /run/secrets/TOKEN)"
RUN --mount=type=secret,id=mine,target=/etc/mine test "$(cut -c 1-4 /etc/mine)" = some
RUN test ! -e /run/secrets/TOKEN && test ! -s /etc/mine
COPY app.py /app/
"""
SECONDS = 30
VALUE, CONTENT = "hush-hush-hush", "something that only a file has"


@pytest.fixture
def own(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


def put(own: Site, text: str, body: str = "print('ran')", **package: object) -> None:
    own.write({"Dockerfile": text.format(base=own.engine.base_image, name=own.name)})
    own.script(body, package={"dockerfile": "Dockerfile", **package})


def knows(engine: Engine, need: str) -> bool:
    """Return whether the builder of an engine has a feature."""
    if engine.name.startswith("docker"):
        version = engine.cli("version", "--format", "{{.Server.Version}}").strip()
        return int(version.partition(".")[0]) >= 23
    version = engine.cli("version", "--format", "{{.Version}}").split()[0]
    major, minor = version.split(".")[:2]
    return need not in builder((int(major), int(minor))).lacks


def test_mounts_stages_and_modes_are_built(own: Site) -> None:
    own.write({"sub/data": "x"})
    put(own, MODERN)
    own.script(
        "print(open('made').read().strip(), open('copied').read().strip())\n"
        "print(sorted(os.listdir('.')), oct(os.stat('sub/data').st_mode)[-3:])",
        imports="import os",
        package={"dockerfile": "Dockerfile"},
    )
    done = own.run()
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines() == [
        "1048576 1048576",
        "['Dockerfile', 'app.py', 'copied', 'made', 'sub'] 755",
    ]
    files = files_of(own.engine, own.reference)
    assert oct(files["/srv/made"].mode) == "0o640"
    assert not [path for path in files if path.startswith(("/cache/", "/scratch/", "/.buildr"))]
    again = own.run()
    assert (again.returncode, again.stderr) == (0, b"")


def test_an_edit_reaches_the_image_despite_the_cache(own: Site) -> None:
    own.write({"data": "one", "same": "1"})
    put(own, "FROM {base}\nWORKDIR /srv\nCOPY . .\n", "print(open('/srv/data').read())")
    assert own.run().stdout == b"one\n"
    own.write({"data": "two"})
    assert own.run().stdout == b"two\n"
    (own.directory / "data").unlink()
    own.script(
        "print(sorted(os.listdir('/srv')))",
        imports="import os",
        package={"dockerfile": "Dockerfile"},
    )
    assert own.run().stdout.decode() == "['Dockerfile', 'app.py', 'same']\n"


def test_here_documents_are_built_or_refused_with_advice(own: Site) -> None:
    put(own, HEREDOCS, "print(open('one').read().split(), open('TWO').read())")
    own.write({"three": ""})
    done = own.run()
    if knows(own.engine, "here-documents"):
        assert done.stdout.decode() == "['first', 'second'] $not expanded\n\n", done.stderr.decode()
        return
    said = done.stderr.decode()
    assert done.returncode == 125
    assert re.search(r"Dockerfile, line 3: .+ does not know here-documents\n", said), said
    assert "Join the commands with `&&`" in said


def test_secrets_reach_only_the_steps_that_request_them_and_leave_no_trace(own: Site) -> None:
    secret = own.directory.parent / "secret"
    secret.write_text(CONTENT)
    put(own, WITH_SECRETS, verbose=True, secrets=["id=TOKEN", f"id=mine,src={secret}"])
    done = own.run(env={"TOKEN": VALUE})
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (0, b"ran\n"), said
    assert "seen: ****" in said
    shown = [
        own.engine.cli("history", "--no-trunc", own.reference),
        own.engine.cli("inspect", own.reference),
        said,
    ]
    assert not [text for text in shown if VALUE in text or CONTENT in text]
    files = files_of(own.engine, own.reference)
    digests = {hashlib.sha256(text.encode()).hexdigest() for text in (VALUE, CONTENT)}
    assert not [path for path, file in files.items() if file.digest in digests]
    assert not [path for path in files if path.rpartition("/")[2].startswith(".buildr")]


def test_a_failed_step_is_named_with_its_output_and_status(own: Site) -> None:
    put(own, "FROM {base}\nRUN --mount=type=cache,target=/c echo said; echo more >&2; exit 7\n")
    done = own.run()
    said = done.stderr.decode()
    assert done.returncode == 125
    assert re.search(r"error: the build failed in `RUN .*exit 7`: .*\b7\b", said), said
    assert "said" in said
    assert "more" in said
    assert own.images() == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_build_ends_with_its_process(own: Site, how: signal.Signals) -> None:
    word = str(10**9 + secrets.randbelow(10**9))  # seconds, unique to this step
    put(own, f"FROM {{base}}\nRUN echo begun && exec sleep {word}\n", verbose=True)
    process = own.engine.popen(sys.executable, "app.py", cwd=own.directory)
    assert process.stderr is not None
    while not (line := process.stderr.readline()).strip().endswith(b" begun"):
        assert line
    await_that(lambda: sleeping(word))
    process.send_signal(how)
    process.communicate()
    await_that(lambda: not sleeping(word))
    assert own.images() == []


def await_that(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < deadline


def sleeping(word: str) -> bool:
    """Return whether a program ``sleep`` with this argument is running in any container."""
    wanted = f"sleep\0{word}\0".encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == wanted:
                return True
    return False


def test_a_containerfile_cannot_copy_ignored_files(own: Site) -> None:
    own.write({".dockerignore": "*.log\nDockerfile\n!kept.log\n", "a.log": "", "kept.log": ""})
    put(own, "FROM {base}\nWORKDIR /srv\nCOPY . .\n")
    own.script(
        "print(sorted(os.listdir('/srv')))",
        imports="import os",
        package={"dockerfile": "Dockerfile"},
    )
    assert own.run().stdout.decode() == "['app.py', 'kept.log']\n"


def test_unsupported_features_of_the_classic_builder_are_reported(own: Site) -> None:
    if not own.engine.name.startswith("docker"):
        pytest.skip("Podman has one builder")
    put(own, "FROM {base}\nRUN --mount=type=cache,target=/c true\nCOPY . /app\n")
    done = own.run(env={"DOCKER_BUILDKIT": "0"})
    said = done.stderr.decode()
    assert "line 2: Docker's classic builder does not know RUN --mount" in said
    assert "BuildKit does." in said
    own.write({"Dockerfile": f"FROM {own.engine.base_image}\nCOPY . /app\n"})
    assert own.run(env={"DOCKER_BUILDKIT": "0"}).stdout == b"ran\n"
