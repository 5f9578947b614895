"""Output of builds: real streams of Podman 4.3.1 and Docker 20.10.24, and unusual ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildr.engines.records import Event
from buildr.errors import BuildError, EngineLostError
from buildr_backends.shared.build_log import follow_build

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "efd5b0cf191b7492081da4ed3677754f1cacb50bebe06beee3dfcb312cb9e6e8"
HASH = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

# Recorded from Podman; a step prints half a line, stderr, and text that looks like the engine's messages.
PODMAN = [
    "STEP 1/5: FROM localhost/buildr/offline-base:bookworm-python3.11\n",
    "STEP 2/5: LABEL a=b\n",
    "--> cbb0e38f3c9\n",
    "STEP 3/5: RUN printf 'half '; sleep 0.2; echo line; echo err >&2; printf 'no newline'\n",
    "half ",
    "line\nno newline",
    "--> Using cache cbb0e38f3c925b35071808dd10b3690327c9197812812126c7add80a1f6813d5\n",
    "--> 589bd961cd5\n",
    "STEP 4/5: RUN …\n",
    "COMMIT this\n",
    "--> mine\n",
    f"{HASH}\n",
    "after\n10%\r20%\r30%\n",
    "--> 5cc9f690d99\n",
    "STEP 5/5: ENV X=1\n",
    "COMMIT\n",
    "--> efd5b0cf191\n",
    "Successfully tagged localhost/probe:1\n",
    f"{ID}\n",
]

DOCKER = [
    "Step 1/5 : FROM localhost/buildr/offline-base:bookworm-python3.11",
    "\n",
    " ---> 56205684546e\n",
    "Step 2/5 : LABEL a=b",
    "\n",
    " ---> Running in 435e94a01c18\n",
    "Removing intermediate container 435e94a01c18\n",
    " ---> e0a4a482e571\n",
    "Step 3/5 : RUN printf 'half '; sleep 0.2; echo line; echo err >&2; printf 'no newline'",
    "\n",
    " ---> Using cache\n",
    "half ",
    "line\nno newline",
    "\x1b[91merr\n\x1b[0m",
    "Removing intermediate container 3540434fd77b\n",
    " ---> 88d106d09144\n",
    "Step 4/5 : RUN …",
    "\n",
    " ---> Running in 9f44accbe7be\n",
    "COMMIT this\n",
    "--> mine\n",
    f"{HASH}\n",
    "after\n10%\r20%\r30%\n",
    "Step 5/5 : ENV X=1",
    "\n",
    " ---> 0333f097718c\n",
    {"aux": {"ID": f"sha256:{ID}"}},
    "Successfully built 0333f097718c\n",
    "Successfully tagged localhost/probe:1\n",
]


def stream(*documents: object) -> bytes:
    """Return a body like that of an engine; text stands for a document with output."""
    rows = [{"stream": one} if isinstance(one, str) else one for one in documents]
    return b"".join(json.dumps(row).encode() + b"\r\n" for row in rows)


def follow(*documents: object) -> tuple[str, list[Event]]:
    events: list[Event] = []
    return follow_build([stream(*documents)], events.append), events


def logs(*documents: object) -> list[str]:
    """Return the lines of output of a build."""
    return [event.text for event in follow(*documents, ID)[1] if event.kind == "log"]


def failure(*documents: object) -> BuildError:
    with pytest.raises(BuildError) as caught:
        follow(*documents)
    return caught.value


@pytest.mark.parametrize(
    ("documents", "images"),
    [
        (PODMAN, ["cbb0e38f3c9", "5cc9f690d99", "efd5b0cf191"]),
        (DOCKER, ["e0a4a482e571", "0333f097718c"]),
    ],
    ids=["podman", "docker"],
)
def test_images_of_new_steps_are_found_but_no_bases_or_cached_ones(
    documents: list[object], images: list[str]
) -> None:
    assert [event.text for event in follow(*documents)[1] if event.kind == "image"] == images


@pytest.mark.parametrize("documents", [PODMAN, DOCKER], ids=["podman", "docker"])
def test_the_steps_of_a_real_build(documents: list[object]) -> None:
    image, events = follow(*documents)
    assert image == ID
    steps = [event for event in events if event.kind == "step"]
    assert [(step.current, step.total) for step in steps] == [(n, 5) for n in range(1, 6)]
    assert [step.text.partition(" ")[0] for step in steps] == [
        "FROM",
        "LABEL",
        "RUN",
        "RUN",
        "ENV",
    ]


@pytest.mark.parametrize("documents", [PODMAN, DOCKER], ids=["podman", "docker"])
def test_the_output_of_a_real_build(documents: list[object]) -> None:
    lines = [event.text for event in follow(*documents)[1] if event.kind == "log"]
    assert [line for line in lines if line != "err"] == [
        "half line",
        "no newline",
        "COMMIT this",
        "--> mine",
        HASH,
        "after",
        "30%",
    ]


def test_docker_s_red_is_removed() -> None:
    assert logs("\x1b[91merr\n\x1b[0m", "Step 1/1 : RUN x") == ["err"]
    assert logs("\x1b[91mred \x1b[1mbold\x1b[0m of its own\n\x1b[0m") == [
        "red \x1b[1mbold\x1b[0m of its own"
    ]


def test_half_lines_of_docker_s_two_streams_are_not_mixed() -> None:
    lines = logs("out", "\x1b[91mer\x1b[0m", "\x1b[91mr\n\x1b[0m", "put\n")
    assert lines == ["out", "err", "put"]


def test_podman_stages_are_steps() -> None:
    _, events = follow("[1/2] STEP 1/3: FROM x AS y\n", "[2/2] COMMIT\n", ID)
    assert events == [Event(kind="step", text="FROM x AS y", current=1, total=3)]


def test_a_line_is_reported_when_it_is_complete() -> None:
    assert logs("a", "b\nc", "\n", "\nd\r\n") == ["ab", "c", "d"]


def test_output_is_reported_before_the_next_step_begins() -> None:
    _, events = follow("last line", "STEP 2/2: RUN x\n", ID)
    assert [event.text for event in events] == ["last line", "RUN x"]


def test_output_is_reported_live() -> None:
    events: list[Event] = []

    def chunks() -> Iterator[bytes]:
        yield stream("STEP 1/1: RUN x\n", "one\n")
        assert [event.text for event in events] == ["RUN x", "one"]
        yield stream(ID)

    assert follow_build(chunks(), events.append) == ID


def test_an_endless_line_is_reported_in_pieces() -> None:
    lines = logs(*["x" * 10_000] * 10)
    assert "".join(lines) == "x" * 100_000
    assert max(map(len, lines)) <= 10_000


def test_an_id_in_the_last_output_of_docker_is_not_the_image() -> None:
    image, events = follow(f"{HASH}\n", {"aux": {"ID": f"sha256:{ID}"}})
    assert image == ID
    assert [event.text for event in events] == []


@pytest.mark.parametrize("id_", [f"{ID}\n", f"sha256:{ID}\n", ID])
def test_the_id_is_the_last_word(id_: str) -> None:
    assert follow("STEP 1/1: FROM x\n", id_)[0] == ID


def test_a_failed_step_is_reported_with_its_last_lines() -> None:
    error = failure(
        "STEP 1/2: FROM x\n",
        "of another step\n",
        "STEP 2/2: RUN pip install nothing\n",
        *(f"line {number}\n" for number in range(60)),
        "half",
        {"errorDetail": {"message": "exit status 3\n"}, "error": "exit status 3\n"},
    )
    assert error.what == "the build failed in `RUN pip install nothing`: exit status 3"
    assert error.hint.splitlines() == [f"line {number}" for number in range(21, 60)] + ["half"]


def test_an_error_has_the_failed_step() -> None:
    assert failure("STEP 2/2: RUN make\n", {"error": "no"}).step == "RUN make"
    assert failure({"error": "no"}).step == ""


def test_podman_s_failure_does_not_repeat_the_step() -> None:
    step = 'RUN echo "a" && false'
    said = f'building at STEP "{step}": while running runtime: exit status 1'
    error = failure(f"STEP 2/2: {step}\n", {"error": said})
    assert error.what == f"the build failed in `{step}`: while running runtime: exit status 1"


def test_a_failed_step_may_end_with_a_hash() -> None:
    assert failure(f"{HASH}\n", {"error": "no"}).hint == HASH


@pytest.mark.parametrize(
    "document",
    [
        {"error": "no FROM"},
        {"errorDetail": {"message": "no FROM"}},
        {"errorDetail": "strange", "error": "no FROM"},
        {"errorDetail": None, "error": "no FROM"},
    ],
)
def test_all_forms_of_errors_are_read(document: object) -> None:
    assert failure(document).what == "the build failed: no FROM"


def test_the_end_of_a_long_error_is_kept() -> None:
    what = failure({"error": f"storing layer: {'x' * 10_000}: no space left on device"}).what
    assert what.startswith("the build failed: storing layer: xxx")
    assert what.endswith("xxx: no space left on device")
    assert len(what) < 5000


def test_a_build_without_an_image_id_has_failed() -> None:
    assert "named no image" in failure("STEP 1/1: FROM x\n").what


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        3,
        {"stream": None},
        {"stream": 3},
        {"aux": "x"},
        {"aux": {"ID": 3}},
        {"aux": {"ID": "short"}},
        {"error": {}},
        {"status": "Pulling"},
    ],
)
def test_documents_of_another_form_are_ignored(document: object) -> None:
    rows = [json.dumps(document).encode() + b"\n", stream(ID)]
    assert follow_build(rows, lambda _: None) == ID


def test_a_truncated_stream_is_a_lost_engine() -> None:
    with pytest.raises(EngineLostError):
        follow_build([stream("STEP 1/1: FROM x\n")[:-5]], lambda _: None)
