"""NumPy's arrays and numbers in call mode, where NumPy is installed: it is not a dependency of this project."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildr.errors import TransferError
from buildr.guest import transfer

np: Any = pytest.importorskip("numpy", reason="NumPy is not installed")


class Derived(np.ndarray):  # type: ignore[misc] # of a library that is not here
    """One that would arrive as an array."""


def arrived(value: Any) -> Any:
    head, parts = transfer.encode([value, 1], "result", 1 << 20)
    found = transfer.parse(bytearray(transfer.message(head, *parts)))
    assert found is not None
    return transfer.decode(*found)[0]


VALUES = [
    np.arange(10),
    np.arange(12.0).reshape(3, 4).T,
    np.zeros((0, 3)),
    np.array(5),
    np.float64(1.5),
    np.array(["a", "bcd"]),
    np.array(["2026-01-01"], dtype="M8[D]"),
    np.zeros(3, dtype=">i4"),
    np.array([np.nan, np.inf]),
    np.bool_(1),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_an_array_arrives_unchanged_and_writable(value: Any) -> None:
    found = arrived(value)
    assert (type(found), found.dtype, found.shape) == (type(value), value.dtype, value.shape)
    assert found.tobytes() == value.tobytes()
    assert not isinstance(found, np.ndarray) or found.flags.writeable


@pytest.mark.parametrize(
    "value",
    [np.array([object()]), np.zeros(2, dtype=[("a", "i4")]), np.zeros(1).view(Derived)],
    ids=repr,
)
def test_arrays_of_objects_are_refused(value: Any) -> None:
    with pytest.raises(TransferError, match=r"result\[0\] cannot travel: it is of the type "):
        arrived(value)


@pytest.mark.parametrize(
    "described",
    [
        {"type": "O", "shape": [1]},
        {"type": "<f8", "shape": [2]},
        {"type": "<f8", "shape": [-1]},
        {"type": "<f8"},
        {"type": "f8,O", "shape": [1]},
        {"type": "<f8", "shape": [1 << 40, 0]},
        {"type": "V0", "shape": [5]},
        {"type": "f" * 100_000, "shape": [1]},
    ],
    ids=lambda described: repr(described)[:40],
)
def test_an_invalid_array_is_refused(described: Any) -> None:
    data = json.dumps({"$": "array", "v": 8, **described}).encode()
    with pytest.raises((ValueError, LookupError, TypeError)):
        transfer.decode({"json": len(data)}, data + bytes(8))
