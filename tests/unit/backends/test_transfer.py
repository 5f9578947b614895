"""Pulls and pushes: progress, digests, and refusals that come in the stream."""

from __future__ import annotations

import pytest

from buildr.engines.records import Event
from buildr.errors import ImageNotFoundError, PushError
from buildr_backends.shared.transfer import follow_pull, follow_push

REFERENCE = "registry.example.org:5000/me/hello:1"
DIGEST = "sha256:" + "a" * 64

PODMAN_PUSH = [
    {"stream": "Getting image source signatures\n"},
    {"stream": "Copying blob sha256:7bbf\n"},
    {"manifestdigest": DIGEST},
]
DOCKER_PUSH = [
    {"status": "The push refers to repository [registry.example.org:5000/me/hello]"},
    {"status": "Preparing", "progressDetail": {}, "id": "7bbf42930148"},
    {
        "status": "Pushing",
        "progressDetail": {"current": 512, "total": 1024},
        "progress": "[=> ]",
        "id": "7bbf42930148",
    },
    {"status": f"1: digest: {DIGEST} size: 528"},
    {"progressDetail": {}, "aux": {"Tag": "1", "Digest": DIGEST, "Size": 528}},
]


# The last one stays out where Docker stores images in containerd.
@pytest.mark.parametrize(
    "documents",
    [PODMAN_PUSH, DOCKER_PUSH, DOCKER_PUSH[:-1]],
    ids=["podman", "docker", "docker-containerd"],
)
def test_the_digest_of_a_push_is_read(documents: list[object]) -> None:
    assert follow_push(REFERENCE, documents, lambda _: None) == DIGEST


def test_a_push_may_report_no_digest() -> None:
    assert follow_push(REFERENCE, [{"status": "done"}], lambda _: None) == ""


def test_progress_is_reported_in_bytes_of_a_layer() -> None:
    events: list[Event] = []
    follow_push(REFERENCE, DOCKER_PUSH, events.append)
    assert [(event.kind, event.current, event.total) for event in events] == [
        ("transfer", 0, 0),
        ("transfer", 0, 0),
        ("transfer", 512, 1024),
        ("transfer", 0, 0),
    ]
    assert events[2].text == "7bbf42930148: Pushing"


@pytest.mark.parametrize(
    "document",
    [
        {"errorDetail": {"message": "denied:\n requested  access"}, "error": "denied"},
        {"error": "denied: requested access"},
    ],
)
def test_a_refused_push_says_what_to_do(document: object) -> None:
    with pytest.raises(PushError, match="denied: requested access") as caught:
        follow_push(REFERENCE, [*DOCKER_PUSH, document], lambda _: None)
    assert REFERENCE in caught.value.what
    assert "docker login registry.example.org:5000" in caught.value.hint


def test_a_refused_pull_says_what_to_do() -> None:
    with pytest.raises(ImageNotFoundError, match="manifest unknown") as caught:
        follow_pull(REFERENCE, [{"error": "manifest unknown"}], lambda _: None)
    assert "podman login or docker login registry.example.org:5000" in caught.value.hint


def test_a_pull_is_followed_to_its_end() -> None:
    events: list[Event] = []
    follow_pull(
        REFERENCE, [{"stream": "Trying to pull…\n"}, {"images": ["x"], "id": "x"}], events.append
    )
    assert events == [Event(kind="transfer", text="Trying to pull…")]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        7,
        {"status": 3},
        {"status": "x", "progressDetail": "y"},
        {"status": "x", "progressDetail": {"current": "many", "total": None}},
        {"status": "x", "id": 5},
        {"aux": "x"},
        {"error": None},
    ],
)
def test_documents_of_another_form_do_no_harm(document: object) -> None:
    assert follow_push(REFERENCE, [document], lambda _: None) == ""
