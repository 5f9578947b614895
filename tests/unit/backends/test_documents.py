"""Streams of JSON documents, split anywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildr.errors import EngineLostError
from buildr_backends.http import json_stream
from buildr_backends.http.json_stream import documents
from tests.unit.backends.server import cut

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUE = st.text(max_size=6) | st.integers() | st.lists(st.booleans(), max_size=2)
DOCUMENT = st.dictionaries(st.text(max_size=3), VALUE, max_size=3)


@settings(deadline=None)
@given(
    found=st.lists(DOCUMENT, max_size=4),
    separator=st.sampled_from(["\n", "\r\n", "", " ", "\n\n"]),
    indent=st.sampled_from([None, 1]),
    places=st.lists(st.integers(0, 1 << 16), max_size=8),
)
def test_a_stream_may_be_split_anywhere(
    found: list[object], separator: str, indent: int | None, places: list[int]
) -> None:
    text = separator.join(json.dumps(one, ensure_ascii=False, indent=indent) for one in found)
    data = (text + separator).encode()
    assert list(documents(cut(data, places))) == found
    assert list(documents(data[i : i + 1] for i in range(len(data)))) == found


def test_documents_are_returned_at_the_end_of_their_line() -> None:
    seen: list[object] = []

    def live() -> Iterator[bytes]:
        yield b'{"a": 1}\r\n{"b"'
        assert seen == [{"a": 1}]
        yield b": 2}\n"
        assert seen == [{"a": 1}, {"b": 2}]

    for document in documents(live()):
        seen.append(document)  # noqa: PERF402 - live() inspects it meanwhile
    assert len(seen) == 2


def test_several_documents_may_share_a_line() -> None:
    assert list(documents([b'{"a":1}{"b":2}[]\n{"c"', b":3}"])) == [
        {"a": 1},
        {"b": 2},
        [],
        {"c": 3},
    ]


def test_a_character_may_be_split() -> None:
    data = '{"a":"ü€😀"}\n'.encode()
    assert list(documents([data[:8], data[8:10], data[10:13], data[13:]])) == [{"a": "ü€😀"}]


def test_bytes_that_are_not_text_are_replaced() -> None:
    assert list(documents([b'{"a":"\xff"}\n'])) == [{"a": "\ufffd"}]


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\n"])
def test_an_empty_stream_has_no_documents(data: bytes) -> None:
    assert list(documents([data])) == []


@pytest.mark.parametrize("data", [b'{"a": ', b'{"a": 1}\n{', b"[1, 2", b'{"a": 1}\n{\n'])
def test_a_truncated_document_is_an_error(data: bytes) -> None:
    with pytest.raises(EngineLostError, match="broke off"):
        list(documents([data]))


@pytest.mark.parametrize(
    "data", [b"<html>\n<body>", b'{"a": 1}\nunexpected EOF\n', b"[" * 100_000 + b"\n", b"\xff\xff"]
)
def test_a_stream_of_other_data_is_an_error(data: bytes) -> None:
    with pytest.raises(EngineLostError, match="is not JSON"):
        list(documents([data]))


def test_an_endless_number_does_not_crash() -> None:
    with pytest.raises(EngineLostError):
        list(documents([b'{"a": ' + b"9" * 10_000 + b"}\n"]))


@pytest.mark.parametrize("piece", [b'{"a": "' + b"x" * 100, b"{\n" + b" " * 100 + b"\n"])
def test_an_endless_document_is_not_kept(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(json_stream, "DOCUMENT_CHARACTERS", 1000)
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield piece if taken == 1 else b"x" * 100

    with pytest.raises(EngineLostError):
        list(documents(endless()))
    assert taken < 20
