"""What can travel in call mode: a value arrives as it is, or is refused by its place."""

from __future__ import annotations

import json
import math
import pickle
from collections import OrderedDict, namedtuple
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildr.errors import TransferError
from buildr.guest import transfer

LIMIT = 1 << 20
Point = namedtuple("Point", "x y")  # noqa: PYI024 - a class as scripts have them


class Colour(IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner)
    ),
    max_leaves=20,
)


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal, of the same classes all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return bool(a == b)


@given(VALUES)
def test_a_value_arrives_as_it_is_or_is_refused(value: Any) -> None:
    try:
        data = transfer.encode(value, "result", LIMIT)
    except TransferError:
        assert not same(value, _through_json(value))
    else:
        assert same(value, json.loads(data))


def _through_json(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return object()  # like nothing else


@pytest.mark.parametrize(
    ("value", "place", "why"),
    [
        ((1, 2), "result", "a tuple, which JSON turns into a list"),
        ({"a": [0, 1, 2, (3,)]}, 'result["a"][3]', "a tuple"),
        ([[], {"b": {'"': {1}}}], r'result[1]["b"]["\""]', "of the type set"),
        ({1: 2}, "result", "the key 1"),
        ({"a": {None: 2}}, 'result["a"]', "the key None"),
        ({True: 2}, "result", "the key True"),
        ([1.5, math.nan], "result[1]", "nan"),
        (-math.inf, "result", "-inf"),
        (b"bytes", "result", "of the type bytes"),
        ([Colour.RED], "result[0]", f"of the type {__name__}.Colour"),
        (Text("x"), "result", f"of the type {__name__}.Text"),
        (Point(1, 2), "result", f"of the type {__name__}.Point"),
        (OrderedDict(), "result", "of the type collections.OrderedDict"),
        (["\ud83d\ude00"], "result[0]", "half of a surrogate pair"),
        ({"\ud800": 1}, "result", "the key '\\ud800'"),
        pytest.param(10**5000, "result", "an integer of more than 4300 digits", id="long"),
        (range(3), "result", "of the type range"),
    ],
)
def test_what_json_would_change_is_refused_by_its_place(value: Any, place: str, why: str) -> None:
    with pytest.raises(TransferError) as caught:
        transfer.encode(value, "result", LIMIT)
    assert caught.value.what.startswith(f"{place} cannot travel: ")
    assert why in caught.value.what
    assert "pickle" in caught.value.hint


def test_a_value_that_holds_itself_is_refused_and_one_that_comes_twice_is_not() -> None:
    inner: list[Any] = [1]
    assert json.loads(transfer.encode([inner, {"a": inner}], "result", LIMIT)) == [[1], {"a": [1]}]
    inner.append([inner])
    with pytest.raises(TransferError, match=r"result\[1\]\[0\] cannot travel: it holds itself"):
        transfer.encode(inner, "result", LIMIT)


def test_values_are_as_deep_as_any_reader_can_follow() -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    deep = nested(transfer.DEPTH)
    assert json.loads(transfer.encode(deep, "result", LIMIT)) == deep
    with pytest.raises(TransferError, match="nested deeper than 200"):
        transfer.encode(nested(transfer.DEPTH + 1), "result", LIMIT)


@pytest.mark.parametrize("pickled", [False, True])
def test_a_value_has_a_limit(pickled: bool) -> None:
    value = "x" * 1000
    size = len(transfer.encode(value, "result", LIMIT, pickled=pickled))
    assert transfer.encode(value, "result", size, pickled=pickled)
    with pytest.raises(TransferError, match=f"result has {size} bytes, and {size - 1} may travel"):
        transfer.encode(value, "result", size - 1, pickled=pickled)


def test_pickle_takes_the_rest_and_says_what_it_does_not() -> None:
    value = {1: (2, math.inf, Point(1, 2))}
    assert pickle.loads(transfer.encode(value, "result", LIMIT, pickled=True)) == value  # noqa: S301 - our own
    with pytest.raises(TransferError, match="result cannot be pickled: "):
        transfer.encode(lambda: 1, "result", LIMIT, pickled=True)


@given(st.dictionaries(st.text(), st.integers() | st.text()), st.binary())
def test_a_message_is_whole_or_none(head: dict[str, Any], data: bytes) -> None:
    head.pop("length", None)
    message = transfer.message(head, data)
    assert transfer.parse(message) == ({**head, "length": len(data)}, data)
    assert transfer.parse(message[:-1]) is None
    assert transfer.parse(message + b"x") is None


@given(st.binary())
def test_any_bytes_can_be_parsed(data: bytes) -> None:
    transfer.parse(data)


@pytest.mark.parametrize("line", [b"[]", b"1", b"{}", b'{"length": "1"}', b"[" * 100_000, b"\xff"])
def test_a_line_that_is_not_a_head_is_not_a_message(line: bytes) -> None:
    assert transfer.parse(line + b"\n") is None
