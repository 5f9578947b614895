"""JSON that others wrote, and JSON for people and programs."""

from __future__ import annotations

import json

import pytest

from buildr.host.documents import json_text, read_json


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}'])
def test_invalid_json_constants_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not JSON"):
        read_json(text.encode(), most_values=10)


@pytest.mark.parametrize(
    "text",
    ["[0,0,0,0,0,0,0,0,0,0,0]", "[[],[],[],[],[],[]]", '{"a":{},"b":{},"c":{},"d":{},"e":{}}'],
)
def test_the_number_of_values_is_limited(text: str) -> None:
    with pytest.raises(ValueError, match="more than 10 values"):
        read_json(text.encode(), most_values=10)
    assert read_json(text.encode(), most_values=1000) == json.loads(text)


def test_json_output_is_escaped_and_survives_a_round_trip() -> None:
    document = {"name": "a\x1b[2J\x9b31m\u202eb\u2028\x7fc", "plain": ["ü", "漢\n"]}
    text = json_text(document)
    assert all(char == "\n" or char.isprintable() for char in text)
    assert "ü" in text
    assert json.loads(text) == document
