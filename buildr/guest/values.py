"""Values that JSON does not have, as JSON: in a table that says what each is, with what is large beside it, as it lies in memory.

Such a table has the key ``$``, its value the kind; a user's table with that key is wrapped itself. What is read was written by the
other side, which may write anything: each kind checks what it gets, and makes an object of just that kind. Classes of the user's own are
those that the annotations of the function name (`buildr.guest.annotations`), and no others.
"""

from __future__ import annotations

from buildr.errors import TransferError
from buildr.guest import scalars

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, NoReturn, Set

    Classes = Callable[[], Dict[str, type]]

TAG = "$"
_SAME_HASHES = 1000
DEPTH = 200
"""How deep values may be nested; JSON's readers follow them by recursion."""


class Packer(object):
    """Converts values to JSON with bytes beside it.

    Args:
        classes: returns the classes of the user's own that may travel, by name.
    """

    def __init__(self, classes: Classes) -> None:
        self.parts: List[memoryview] = []
        self._classes = classes
        self._inside: Set[int] = set()

    def pack(self, value: Any, name: str) -> Any:
        """Return a value as JSON has it.

        Args:
            value: the value.
            name: its place, for errors.

        Raises:
            TransferError: it cannot travel.
        """
        kind = type(value)
        if kind in (list, dict, tuple, set, frozenset):
            if id(value) in self._inside:
                refuse(name, "holds itself")
            if len(self._inside) >= DEPTH:
                refuse(name[:60] + "...", "is nested deeper than %d" % DEPTH)
            self._inside.add(id(value))
            packed = self._pack_items(value, kind, name)
            self._inside.remove(id(value))
            return packed
        fault = scalars.fault(value, kind)
        if not fault:
            return value
        packed = self._pack_bytes(value, kind) or scalars.pack(value, kind)
        packed = packed or self._pack_own(value, kind, name)
        if packed is None:
            refuse(name, fault)
        return packed

    def _pack_items(self, value: Any, kind: type, name: str) -> Any:
        if kind is dict:
            for key in value:
                if type(key) is not str or scalars.fault(key, str):
                    refuse(name, "has the key %s, and keys of JSON are text" % _shown(key))
            packed = {key: self.pack(item, _at(name, key)) for key, item in value.items()}
            return packed if TAG not in packed else {TAG: "dict", "v": list(packed.items())}
        items = [self.pack(item, "%s[%d]" % (name, index)) for index, item in enumerate(value)]
        return items if kind is list else {TAG: kind.__name__, "v": items}

    def _pack_bytes(self, value: Any, kind: type) -> Any:
        if kind in (bytes, bytearray):
            self.parts.append(memoryview(value))
            return {TAG: kind.__name__, "v": len(value)}
        from buildr.guest import arrays

        packed, part = arrays.pack(value, kind)
        if part is not None:
            self.parts.append(part)
        return packed

    def _pack_own(self, value: Any, kind: type, name: str) -> Any:
        """Pack an object of a class that an annotation names."""
        known = [key for key, found in self._classes().items() if found is kind]
        if not known:
            return None
        from buildr.guest.annotations import fields_of

        fields = fields_of(value)
        packed = {key: self.pack(item, "%s.%s" % (name, key)) for key, item in fields.items()}
        return {TAG: "object", "c": known[0], "v": packed}


class Unpacker(object):
    """Converts the result of a `Packer` back.

    Args:
        beside: the bytes beside the JSON.
        classes: see `Packer`.

    Attributes:
        classes: see `Packer`.
    """

    def __init__(self, beside: memoryview, classes: Classes) -> None:
        self.classes = classes
        self._beside = beside

    def unpack(self, value: Any) -> Any:
        """Return the value.

        Raises:
            ValueError: it is not one that a packer makes; or a LookupError, a TypeError.
        """
        if type(value) is list:
            return [self.unpack(item) for item in value]
        if type(value) is not dict:
            return value
        if TAG not in value:
            return {key: self.unpack(item) for key, item in value.items()}
        kind = value[TAG]
        unpack = _KINDS.get(kind)
        return scalars.unpack(kind, value["v"]) if unpack is None else unpack(self, value)

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
            ValueError: there is.
        """
        if self._beside:
            raise ValueError("bytes that belong to nothing")

    def take(self, count: int) -> memoryview:
        """Return the next bytes beside the JSON.

        Raises:
            ValueError: there are not so many.
        """
        if type(count) is not int or not 0 <= count <= len(self._beside):
            raise ValueError("not that many bytes")
        found, self._beside = self._beside[:count], self._beside[count:]
        return found


def refuse(name: str, why: str) -> NoReturn:
    """Raise the error for a value that cannot travel.

    Raises:
        TransferError: always.
    """
    raise TransferError(
        "%s cannot travel: it %s" % (name, why),
        hint="Return and pass None, bool, int, float, str, bytes, dates and times, Decimal, UUID, paths, NumPy arrays, Arrow tables, and"
        " lists, tuples, sets and dicts of these; dataclasses and enums where an annotation of the function names the class;"
        ' or set call_format="pickle" in runtime, and read in docs/call-mode.md why that is dangerous.',
    )


def _spread(value: Any) -> str:
    """Return a hash as text, whose own hash nobody foresees."""
    return str(hash(value))


def _at(name: str, key: str) -> str:
    import json

    return "%s[%s]" % (name, json.dumps(key))


def _shown(key: object) -> str:
    text = ascii(key)
    return text if len(text) <= 60 else text[:60] + "..."


def _bytes(unpacker: Unpacker, value: Dict[str, Any]) -> Any:
    data = unpacker.take(value["v"])
    return bytes(data) if value[TAG] == "bytes" else bytearray(data)


def _dict(unpacker: Unpacker, value: Dict[str, Any]) -> Any:
    return {scalars.text(key): unpacker.unpack(item) for key, item in value["v"]}


def _tuple(unpacker: Unpacker, value: Dict[str, Any]) -> Any:
    return tuple(map(unpacker.unpack, value["v"]))


def _set(unpacker: Unpacker, value: Dict[str, Any]) -> Any:
    items = list(map(unpacker.unpack, value["v"]))
    # Values that are made to have one hash take quadratic time.
    if len(items) - len(set(map(_spread, items))) > _SAME_HASHES:
        raise ValueError("a set of values that have the same hash")
    return set(items) if value[TAG] == "set" else frozenset(items)


def _object(unpacker: Unpacker, value: Dict[str, Any]) -> Any:
    from buildr.guest.annotations import rebuilt

    fields = {name: unpacker.unpack(item) for name, item in value["v"].items()}
    return rebuilt(unpacker.classes()[value["c"]], fields)


def _array(unpacker: Unpacker, value: Dict[str, Any]) -> Any:
    from buildr.guest import arrays

    return arrays.unpack(value, unpacker.take)


_KINDS: Dict[str, Callable[[Unpacker, Dict[str, Any]], Any]] = {
    "bytes": _bytes,
    "bytearray": _bytes,
    "dict": _dict,
    "tuple": _tuple,
    "set": _set,
    "frozenset": _set,
    "object": _object,
    "array": _array,
    "table": _array,
}
