"""What can travel in call mode: a value arrives as it is, or is refused by its place."""

from __future__ import annotations

import json
import math
import pickle
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

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
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return bool(a == b)


def encoded(value: Any, limit: int = LIMIT, **more: Any) -> bytes:
    return b"".join(transfer.encode(value, "result", limit, **more)[1])


def arrived(value: Any, function: object = None) -> Any:
    """Return what the other side gets."""
    head, parts = transfer.encode(value, "result", LIMIT, function=function)
    found = transfer.parse(bytearray(transfer.message(head, *parts)))
    assert found is not None
    return transfer.decode(*found, function=function)


@given(VALUES)
def test_a_value_arrives_unchanged_or_is_refused(value: Any) -> None:
    try:
        found = arrived(value)
    except TransferError:
        assert not _can_travel(value)
    else:
        assert same(value, found)


def _can_travel(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _can_travel(key) for key in value) and all(
            map(_can_travel, value.values())
        )
    if isinstance(value, list | tuple):
        return all(map(_can_travel, value))
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    return not isinstance(value, float) or math.isfinite(value)


ZONE = timezone(timedelta(hours=5, minutes=30))
TRAVELLERS = [
    (1, (2, ())),
    {1, "a", (2, 3)},
    frozenset({b"x"}),
    set(),
    b"",
    bytes(range(256)) * 1000,
    bytearray(b"abc"),
    [b"a", bytearray(b"b"), {"c": b"c" * 10}],
    {"$": "tuple", "v": [1], "x": (1,)},
    [{"$": 1}, (1,)],
    datetime(2026, 2, 3, 4, 5, 6, 7),  # noqa: DTZ001 - one without
    datetime(2026, 2, 3, tzinfo=UTC),
    datetime(2026, 2, 3, tzinfo=ZONE),
    datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Vienna")),
    date(1, 1, 1),
    time(1, 2, 3, 4),
    time(1, 2, tzinfo=ZONE),
    timedelta(-1, 2, 3),
    ZONE,
    Decimal("1.50"),
    Decimal("-Infinity"),
    UUID(int=5),
    PurePosixPath("/a/ü"),
    Path("x"),
    PureWindowsPath("c:/a"),
    {"when": [date(2026, 1, 1), (Decimal(1), {UUID(int=1)})]},
]


@pytest.mark.parametrize("value", TRAVELLERS, ids=lambda value: type(value).__name__)
def test_types_beyond_json_arrive_unchanged(value: Any) -> None:
    found = arrived(value)
    assert same(value, found)
    assert repr(value) == repr(found) or isinstance(value, set | frozenset)
    assert same([value], arrived([value]))


@dataclass
class Inner:
    when: date
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Order:
    number: int
    colour: Plain
    parts: list[Inner]
    total: Decimal = field(init=False, default=Decimal(0))


class Plain(Enum):
    RED = "r"
    GREEN = "g"


@dataclass
class Picky:
    n: int

    def __post_init__(self) -> None:
        raise AttributeError("never")


def annotated(orders: dict[str, Order | Picky | None]) -> list[Plain]:
    raise NotImplementedError


def test_only_classes_in_annotations_arrive() -> None:
    order = Order(1, Plain.RED, [Inner(date(2026, 1, 1), ("a", "b"))])
    for value in ({"a": order, "b": None}, [Plain.GREEN], (order, order)):
        assert arrived(value, annotated) == value
        with pytest.raises(TransferError, match=r"cannot travel: it is of the type"):
            arrived(value)
    with pytest.raises(TransferError, match=r'result\["a"\]\.parts\[0\]\.tags cannot travel'):
        arrived({"a": Order(1, Plain.RED, [Inner(date(1, 1, 1), object())])}, annotated)  # type: ignore[arg-type] # on purpose


@pytest.mark.parametrize(
    "packed",
    [
        {"$": "object", "c": "os:system", "v": {}},
        {"$": "object", "c": ":Order", "v": {"number": 1}},
        {"$": "object", "c": ":Plain", "v": {"name": "__class__"}},
        {"$": "object", "c": ":Picky", "v": {"n": 1}},
        {"$": "object", "c": ":Plain", "v": {}},
        {"$": "object"},
        {"$": "system", "v": "true"},
        {"$": ["bytes"], "v": 0},
        {"$": "bytes", "v": 5},
        {"$": "bytes", "v": -1},
        {"$": "bytes", "v": True},
        {"$": "set", "v": [[]]},
        {"$": "set", "v": [n * (2**61 - 1) for n in range(5000)]},
        {"$": "dict", "v": [[1, 2]]},
        {"$": "dict", "v": [["a", 1, 2]]},
        {"$": "Decimal", "v": "x"},
        {"$": "Decimal", "v": "1" * 100_000},
        {"$": "UUID", "v": "x"},
        {"$": "PosixPath", "v": 1},
        {"$": "datetime", "v": ["2026-01-01T00:00:00+01:00", 0, ""]},
        {"$": "datetime", "v": ["2026-01-01", 0, "../../etc/passwd"]},
        {"$": "datetime", "v": ["2026-01-01", 0, "Europe"]},
        {"$": "timedelta", "v": [10**12, 0, 0]},
        {"$": "timedelta", "v": [0.5, 0, 0]},
        {"$": "timezone", "v": [5, 0, 0]},
    ],
    ids=lambda packed: repr(packed)[:60],
)
def test_invalid_packed_values_are_refused(packed: Any) -> None:
    data = json.dumps(packed).encode()
    with pytest.raises((ValueError, LookupError, TypeError)):
        transfer.decode({"json": len(data)}, data, function=annotated)


@pytest.mark.parametrize("size", [-1, 100, None, "1", True])
def test_an_invalid_length_is_refused(size: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        transfer.decode({"json": size}, b"[]")


def test_surplus_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="belong to nothing"):
        transfer.decode({"json": 2}, b"[]x")


def test_large_bytes_are_not_copied_when_they_are_sent() -> None:
    value = bytes(1 << 20)
    _, parts = transfer.encode([value], "result", 2 << 20)
    assert isinstance(parts[1], memoryview)
    assert parts[1].obj is value


@pytest.mark.parametrize(
    ("value", "place", "why"),
    [
        ([[], {"b": {'"': ({1}, 1j)}}], r'result[1]["b"]["\""][1]', "of the type complex"),
        ({1: 2}, "result", "the key 1"),
        ({"a": {None: 2}}, 'result["a"]', "the key None"),
        ({True: 2}, "result", "the key True"),
        ([1.5, math.nan], "result[1]", "nan"),
        (-math.inf, "result", "-inf"),
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
def test_values_that_json_would_change_are_refused_with_their_place(
    value: Any, place: str, why: str
) -> None:
    with pytest.raises(TransferError) as caught:
        transfer.encode(value, "result", LIMIT)
    assert caught.value.what.startswith(f"{place} cannot travel: ")
    assert why in caught.value.what
    assert "pickle" in caught.value.hint


def test_recursive_values_are_refused_and_repeated_ones_accepted() -> None:
    inner: list[Any] = [1]
    assert json.loads(encoded([inner, {"a": inner}])) == [[1], {"a": [1]}]
    inner.append([inner])
    with pytest.raises(TransferError, match=r"result\[1\]\[0\] cannot travel: it holds itself"):
        transfer.encode(inner, "result", LIMIT)


def test_the_nesting_of_values_is_limited() -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    deep = nested(transfer.DEPTH)
    assert json.loads(encoded(deep)) == deep
    with pytest.raises(TransferError, match="nested deeper than 200"):
        transfer.encode(nested(transfer.DEPTH + 1), "result", LIMIT)


@pytest.mark.parametrize("pickled", [False, True])
def test_the_size_of_a_value_is_limited(pickled: bool) -> None:
    value = "x" * 1000
    size = len(encoded(value, pickled=pickled))
    assert encoded(value, size, pickled=pickled)
    with pytest.raises(TransferError, match=f"result has {size} bytes, and {size - 1} may travel"):
        transfer.encode(value, "result", size - 1, pickled=pickled)


def test_pickle_accepts_other_values_and_reports_unsupported_ones() -> None:
    value = {1: (2, math.inf, Point(1, 2))}
    assert pickle.loads(encoded(value, pickled=True)) == value  # noqa: S301 - our own
    with pytest.raises(TransferError, match="result cannot be pickled: "):
        transfer.encode(lambda: 1, "result", LIMIT, pickled=True)


@given(st.dictionaries(st.text(), st.integers() | st.text()), st.binary())
def test_a_truncated_message_is_none(head: dict[str, Any], data: bytes) -> None:
    head.pop("length", None)
    message = transfer.message(head, data)
    assert transfer.parse(message) == ({**head, "length": len(data)}, data)
    assert transfer.parse(message[:-1]) is None
    assert transfer.parse(message + b"x") is None


@given(st.binary())
def test_any_bytes_can_be_parsed(data: bytes) -> None:
    transfer.parse(data)


@pytest.mark.parametrize("line", [b"[]", b"1", b"{}", b'{"length": "1"}', b"[" * 100_000, b"\xff"])
def test_an_invalid_head_is_not_a_message(line: bytes) -> None:
    assert transfer.parse(line + b"\n") is None
