"""The framing of attached streams, after the Docker Engine API's stream format."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildr.engines.streams import STDERR, STDIN, STDOUT
from buildr.errors import EngineLostError
from buildr_backends.shared.frames import FrameDecoder, RawDecoder
from tests.unit.backends.server import cut

FRAME = st.tuples(st.sampled_from([STDIN, STDOUT, STDERR]), st.binary(max_size=40))


def frame(stream: int, payload: bytes, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return bytes([stream, 0, 0, 0]) + size.to_bytes(4, "big") + payload


def decode(*pieces: bytes) -> list[tuple[int, bytes]]:
    """Return the pieces, with adjacent ones of the same stream joined."""
    decoder = FrameDecoder()
    joined: list[tuple[int, bytes]] = []
    for piece in pieces:
        for stream, data in decoder.feed(memoryview(piece)):
            if joined and joined[-1][0] == stream:
                joined[-1] = (stream, joined[-1][1] + data)
            else:
                joined.append((stream, bytes(data)))
    decoder.finish()
    return joined


@settings(deadline=None)
@given(frames=st.lists(FRAME, max_size=12), places=st.lists(st.integers(0, 1 << 16), max_size=12))
def test_splitting_does_not_change_the_bytes(
    frames: list[tuple[int, bytes]], places: list[int]
) -> None:
    expected: list[tuple[int, bytes]] = []
    for stream, payload in frames:
        number = STDOUT if stream == STDIN else stream
        if expected and expected[-1][0] == number:
            expected[-1] = (number, expected[-1][1] + payload)
        elif payload:
            expected.append((number, payload))
    data = b"".join(frame(stream, payload) for stream, payload in frames)
    assert decode(*cut(data, places)) == expected
    assert decode(*(data[i : i + 1] for i in range(len(data)))) == expected
    assert decode(data) == expected


def test_output_is_passed_on_before_its_frame_ends() -> None:
    decoder = FrameDecoder()
    decoder.feed(memoryview(frame(STDERR, b"", length=100)))
    assert [(s, bytes(d)) for s, d in decoder.feed(memoryview(b"now"))] == [(STDERR, b"now")]


def test_an_empty_frame_is_not_output() -> None:
    assert decode(frame(STDOUT, b""), frame(STDERR, b"x")) == [(STDERR, b"x")]


def test_a_frame_that_announces_four_gibibytes_costs_no_memory() -> None:
    decoder = FrameDecoder()
    piece = memoryview(b"x" * 65536)
    decoder.feed(memoryview(frame(STDOUT, b"", length=(1 << 32) - 1)))
    tracemalloc.start()
    try:
        for _ in range(200):
            assert len(decoder.feed(piece)) == 1
        assert tracemalloc.get_traced_memory()[1] < 65536
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        b"plain text that is not a frame",
        bytes([4, 0, 0, 0, 0, 0, 0, 1]),
        bytes([1, 0, 0, 1]) + b"\0" * 4,
    ],
)
def test_an_invalid_header_is_an_error(data: bytes) -> None:
    with pytest.raises(EngineLostError, match="not in frames"):
        decode(data)


@pytest.mark.parametrize("cut", range(1, 12))
def test_an_end_inside_a_frame_is_an_error(cut: int) -> None:
    with pytest.raises(EngineLostError, match="middle of a frame"):
        decode(frame(STDOUT, b"abcd")[:cut])


@pytest.mark.parametrize("size", [1, 3, 100])
def test_an_error_of_the_engine_is_reported_completely(size: int) -> None:
    data = frame(3, b"the stream failed\n")
    with pytest.raises(EngineLostError, match=r"output: the stream failed$"):
        decode(*(data[i : i + size] for i in range(0, len(data), size)))


def test_an_error_of_the_engine_may_be_truncated() -> None:
    with pytest.raises(EngineLostError, match=r"output: the str$"):
        decode(frame(3, b"the stream failed")[:15])


def test_an_error_of_the_engine_may_be_empty() -> None:
    with pytest.raises(EngineLostError, match="no reason given"):
        decode(frame(3, b""))


def test_an_endless_error_of_the_engine_is_limited() -> None:
    with pytest.raises(EngineLostError) as caught:
        decode(frame(3, b"x" * 5000, length=1 << 31))
    assert len(str(caught.value)) < 1200


def test_output_before_an_error_is_not_lost() -> None:
    decoder = FrameDecoder()
    pieces = decoder.feed(memoryview(frame(STDOUT, b"last words") + b"garbage that is not a frame"))
    assert [bytes(data) for _, data in pieces] == [b"last words"]
    assert decoder.failure is not None
    with pytest.raises(EngineLostError, match="not in frames"):
        decoder.finish()


def test_output_of_a_terminal_is_unchanged() -> None:
    decoder = RawDecoder()
    assert [(s, bytes(d)) for s, d in decoder.feed(memoryview(b"\1\0raw"))] == [
        (STDOUT, b"\1\0raw")
    ]
    decoder.finish()
