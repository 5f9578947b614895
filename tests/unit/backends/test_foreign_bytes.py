"""The decoders handle any bytes."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from buildr.errors import EngineLostError
from buildr_backends.shared.frames import FrameDecoder
from tests.fuzz.targets import SEEDS, TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

HEADERS = st.builds(
    lambda stream, zeros, length: bytes([stream]) + zeros + length.to_bytes(4, "big"),
    st.sampled_from([0, 1, 2, 3, 4, 255]),
    st.just(b"\0\0\0") | st.binary(min_size=3, max_size=3),
    st.integers(0, 12) | st.integers(0, 2**32 - 1),
)
FRAMES = st.lists(HEADERS | st.binary(max_size=12), max_size=8).map(b"".join)
JSON = st.lists(
    st.sampled_from(
        [
            b"{",
            b"}",
            b"[",
            b"]",
            b'"',
            b":",
            b",",
            b"\n",
            b"\r\n",
            b" ",
            b"\\",
            b"\\ud8",
            b"1",
            b"-",
            b"e",
            b"null",
            b"NaN",
            b'{"a":"b"}',
            b"\xc3",
            b"\xa9",
            b"\xff",
            b"\0",
        ]
    ),
    max_size=16,
).map(b"".join)


@given(FRAMES | st.binary(max_size=64))
@example(b"\3\0\0\0\0\0\0\0")
def test_frames_of_any_bytes(data: bytes) -> None:
    TARGETS["frames"](data)


@given(JSON | st.binary(max_size=64))
@example(b"\n" * 9)
def test_documents_of_any_bytes(data: bytes) -> None:
    TARGETS["documents"](data)


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - {"frames", "documents"}))
@given(data=st.data())
def test_readers_of_any_bytes(name: str, data: st.DataObject) -> None:
    seeds = st.sampled_from(SEEDS[name])
    # Mostly valid input, with a foreign part.
    parts = st.lists(seeds | st.binary(max_size=24), min_size=1, max_size=3).map(b"".join)
    cuts = st.tuples(parts, st.integers(0, 200), st.integers(0, 200), st.binary(max_size=8))
    TARGETS[name](data.draw(cuts.map(lambda c: c[0][: c[1]] + c[3] + c[0][c[1] + c[2] :]) | parts))


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name in SEEDS for seed in SEEDS[name]])
def test_the_seeds_of_fuzzing_are_accepted(name: str, seed: bytes) -> None:
    target: Callable[[bytes], None] = TARGETS[name]
    target(seed)


@pytest.mark.parametrize("stream", [1, 3])
def test_a_frame_of_four_gigabytes_costs_no_memory(stream: int) -> None:
    decoder = FrameDecoder()
    chunk = memoryview(bytes(1 << 16))
    tracemalloc.start()
    try:
        decoder.feed(memoryview(bytes([stream, 0, 0, 0, 255, 255, 255, 255])))
        for _ in range(200):
            try:
                decoder.feed(chunk)
            except EngineLostError:
                break
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1 << 20
