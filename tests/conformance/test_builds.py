"""Builds: their context, their live events, and failures that leave nothing behind."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from buildr.engines.records import BuildRequest
from buildr.errors import BackendError, BuildError
from tests.conformance.judged import archive, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.engines.protocol import Backend
    from buildr.engines.records import Event
    from tests.conformance.judged import Containers

LOOK = """\
import json, os, sys
seen = {}
for folder, folders, files in os.walk("/context"):
    for name in (*folders, *files):
        path = os.path.join(folder, name)
        kind = "link" if os.path.islink(path) else "folder" if os.path.isdir(path) else "file"
        seen[path] = [kind, oct(os.lstat(path).st_mode & 0o7777), os.readlink(path) if kind == "link" else ""]
json.dump(seen, sys.stdout)
"""


def member(path: str, kind: bytes, mode: int, target: str = "") -> tarfile.TarInfo:
    head = tarfile.TarInfo(path)
    head.type, head.mode, head.linkname = kind, mode, target
    return head


def test_the_context_arrives_as_it_was_sent(
    backend: Backend, containers: Containers, base: str
) -> None:
    program = tarfile.TarInfo("files/program")
    program.mode = 0o755
    files: dict[str, bytes | tarfile.TarInfo] = {
        "files": member("files", tarfile.DIRTYPE, 0o755),
        "files/ünï 日 '$HOME'": b"odd name",
        "files/program": program,
        "files/empty": member("files/empty", tarfile.DIRTYPE, 0o775),
        "files/link": member("files/link", tarfile.SYMTYPE, 0o777, "program"),
    }
    containers.image = build(backend, f'FROM {base}\nCOPY ["files", "/context/"]\n', files)
    assert json.loads(containers.run("python3", "-c", LOOK).output) == {
        "/context/ünï 日 '$HOME'": ["file", "0o644", ""],
        "/context/program": ["file", "0o755", ""],
        "/context/empty": ["folder", "0o775", ""],
        "/context/link": ["link", "0o777", "program"],
    }


def test_steps_and_their_output_are_events(backend: Backend, base: str, unique: str) -> None:
    events: list[Event] = []
    build(backend, f"FROM {base}\nRUN echo said-{unique}\n", on_event=events.append, cache=False)
    steps = [event for event in events if event.kind == "step"]
    assert any("RUN" in event.text for event in steps)
    assert any(event.kind == "log" and f"said-{unique}" in event.text for event in events)


def test_output_arrives_while_the_step_runs(backend: Backend, base: str, unique: str) -> None:
    """The step does not end by itself: an exception from the listener ends the build."""

    def listen(event: Event) -> None:
        if event.kind == "log" and f"said-{unique}" in event.text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(backend, f"FROM {base}\nRUN echo said-{unique} && exec sleep 7200\n", on_event=listen)


def test_the_image_has_the_requested_labels_and_names(
    backend: Backend, base: str, unique: str
) -> None:
    name = f"localhost/buildr/{unique}:latest"
    made = build(
        backend, f"FROM {base}\nLABEL own=1\n", tags=(name,), image_labels={"asked": "a b"}
    )
    found = backend.image(name)
    assert found is not None
    assert found.id == made
    assert (found.labels["own"], found.labels["asked"]) == ("1", "a b")
    backend.remove_image(made)


def test_the_image_has_the_configuration_of_the_containerfile(backend: Backend, base: str) -> None:
    made = build(
        backend,
        f"FROM {base}\nENV A=b\nWORKDIR /here\nUSER 1000:0\n"
        'ENTRYPOINT ["env"]\nCMD ["echo", "hello"]\nVOLUME /kept\n',
    )
    found = backend.image(made)
    assert found is not None
    assert "A=b" in found.environment
    assert (found.workdir, found.user) == ("/here", "1000:0")
    assert (found.entrypoint, found.command) == (("env",), ("echo", "hello"))
    assert found.volumes == ("/kept",)


def test_the_second_build_uses_the_cache(backend: Backend, base: str, unique: str) -> None:
    text = f"FROM {base}\nRUN echo said-{unique} && cat /proc/sys/kernel/random/uuid >/id\n"
    events: list[Event] = []
    first = build(backend, text)
    assert build(backend, text, on_event=events.append) == first
    assert not any(f"said-{unique}" in event.text for event in events if event.kind == "log")
    assert build(backend, text, cache=False) != first


def test_a_step_that_fails_ends_the_build(backend: Backend, base: str, unique: str) -> None:
    events: list[Event] = []
    name = f"localhost/buildr/{unique}:latest"
    with pytest.raises(BuildError):
        build(
            backend,
            f"FROM {base}\nRUN echo why-{unique} >&2 && exit 3\n",
            on_event=events.append,
            tags=(name,),
        )
    assert any(f"why-{unique}" in event.text for event in events)
    assert backend.image(name) is None


@pytest.mark.parametrize(
    "text",
    ["NONSENSE\n", "FROM localhost/buildr/no-such-image:latest\n", ""],
    ids=["instruction", "base", "empty"],
)
def test_an_invalid_containerfile_is_an_error(backend: Backend, text: str) -> None:
    with pytest.raises(BackendError):
        build(backend, text)


def test_a_truncated_context_builds_nothing(backend: Backend, base: str, unique: str) -> None:
    name = f"localhost/buildr/{unique}:latest"

    def broken() -> Iterator[bytes]:
        yield archive({"Containerfile": f"FROM {base}\n".encode()})[:512]
        raise OSError("the disk has gone")

    request = BuildRequest(context=broken(), containerfile="Containerfile", tags=(name,))
    with pytest.raises(OSError, match="the disk has gone"):
        backend.build(request, lambda _: None)
    assert backend.image(name) is None
