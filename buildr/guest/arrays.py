"""NumPy's arrays and numbers, and Arrow's tables, as bytes beside the JSON, without encoding or copying.

The libraries are used where they have been imported already; what comes back needs them on this side, too.
"""

from __future__ import annotations

import importlib
import sys

from buildr.errors import TransferError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Tuple

_KINDS = "biufcSUMm"  # of numpy.dtype: those whose bytes are the values
_MOST_DIMENSIONS = 64
_MOST_NAME = 64  # characters of a type


def pack(value: Any, kind: type) -> Tuple[Any, Optional[memoryview]]:
    """Return how JSON describes an array or a table, and its bytes; ``None`` for another value."""
    module, name = kind.__module__.partition(".")[0], kind.__name__
    if module == "numpy":
        return _pack_array(value, kind)
    if module == "pyarrow" and name == "Table":
        pyarrow: Any = sys.modules["pyarrow"]
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, value.schema) as writer:
            writer.write_arrow(value)
        data = memoryview(sink.getvalue())
        return {"$": "table", "v": len(data)}, data
    return None, None


def _pack_array(value: Any, kind: type) -> Tuple[Any, Optional[memoryview]]:
    numpy: Any = sys.modules["numpy"]
    is_number = isinstance(value, numpy.generic)
    if not (is_number or kind is numpy.ndarray) or value.dtype.kind not in _KINDS:
        return None, None
    array = numpy.ascontiguousarray(value).reshape(value.shape)
    data = memoryview(array.reshape(-1).view(numpy.uint8)) if array.nbytes else memoryview(b"")
    packed = {"$": "array", "v": len(data), "type": value.dtype.str, "shape": list(value.shape)}
    return dict(packed, number=True) if is_number else packed, data


def unpack(value: dict[str, Any], take: Callable[[int], memoryview]) -> Any:
    """Return an array, a number or a table.

    Args:
        value: how JSON describes it.
        take: returns the next bytes beside it.

    Raises:
        TransferError: the library is not here.
        ValueError: it is not one; or a TypeError, a LookupError.
    """
    data = take(value["v"])
    try:
        if value["$"] == "table":
            return _arrow(data)
        return _array(value, data)
    except ImportError as error:
        raise TransferError(
            "a value cannot be read on this side: %s" % error,
            hint="Install %s here, too, or pass lists and dicts." % error.name,
        ) from None


def _array(value: dict[str, Any], data: memoryview) -> Any:
    numpy: Any = importlib.import_module("numpy")
    name, shape = value["type"], value["shape"]
    known = type(name) is str and len(name) <= _MOST_NAME
    if not known or type(shape) is not list or len(shape) > _MOST_DIMENSIONS:
        raise TypeError("not an array")
    kind = numpy.dtype(name)
    if kind.kind not in _KINDS or kind.str != name or not kind.itemsize:
        raise ValueError("not of a plain type")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("not a shape")
    found = numpy.frombuffer(data, dtype=kind).reshape(shape)
    if not (found.flags.aligned and found.flags.writeable):
        found = found.copy()
    return found[()] if value.get("number") is True else found


def _arrow(data: memoryview) -> Any:
    pyarrow: Any = importlib.import_module("pyarrow")
    try:
        with pyarrow.ipc.open_stream(pyarrow.py_buffer(data)) as reader:
            found = reader.read_all()
        found.validate(full=True)
    except pyarrow.ArrowException as error:
        raise ValueError("not a table") from error
    return found
