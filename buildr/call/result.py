"""What came of a call: the guest's message, read as the value or the exception that it is.

Nothing here believes the container more than need be: a message that is odd is an error, and only built-in exceptions, with
arguments that are plain values, are rebuilt. pickle is used where the user opted in, and nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import signal
from typing import TYPE_CHECKING, Any

from buildr.errors import EntryError, RemoteError, TransferError
from buildr.guest import transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from buildr.call.target import Target

HEAD_BYTES = 1 << 20
"""More than a message has beyond a value: its first line, or the report of an exception."""


def read(
    message: bytes, target: Target, *, pickled: bool, limit: int, hide: Callable[[Any], Any]
) -> Any:
    """Return the value that a message holds.

    Args:
        message: what came back.
        target: the function.
        pickled: whether its value is unpickled, in place of JSON.
        limit: how many bytes the value may have.
        hide: takes secrets out of the report of an exception.

    Raises:
        BaseException: what the function raised, if it is built in.
        RemoteError: it raised something else.
        TransferError: what it returned cannot travel.
        EntryError: the guest could not find it.
    """
    parsed = transfer.parse(message)
    kind = parsed[0].get("kind") if parsed else None
    if parsed is None or kind not in ("value", "error", "refused", "missing"):
        raise TransferError(f"what came back from {target.name} is not an answer of the guest part")
    try:
        if kind == "value":
            return _value(parsed[1], target, pickled=pickled, limit=limit)
        report = hide(json.loads(parsed[1]))
        if kind == "error":
            error = _exception(report, target)
        else:
            error = (TransferError if kind == "refused" else EntryError)(
                str(report[0]), hint=str(report[1])
            )
    except (LookupError, ValueError, TypeError, RecursionError):
        raise TransferError(f"what came back from {target.name} cannot be read") from None
    raise error


def absent(status: int, target: Target) -> NoReturn:
    """Say that a container ended without an answer.

    Raises:
        RemoteError: always.
    """
    hint = ""
    if status > 128 and status - 128 in set(signal.Signals):
        number = signal.Signals(status - 128)
        what = f"was killed by {number.name}"
        if number == signal.SIGKILL:
            hint = "The kernel does that where memory is used up: see memory= in runtime. So does who stops a container."
    else:
        what = f"ended with status {status}"
    raise RemoteError(
        f"the container of {target.name} {what} before there was a result", status=status, hint=hint
    )


def _value(data: bytes, target: Target, *, pickled: bool, limit: int) -> Any:
    transfer.within(data, "result", limit)
    if not pickled:
        return json.loads(data)
    try:
        return _unpickle(data, target)
    except Exception as error:
        raise TransferError(
            f"the result of {target.name} cannot be unpickled: {type(error).__name__}: {error}"
        ) from error


def _unpickle(data: bytes, target: Target) -> Any:
    import io
    import pickle

    home = getattr(getattr(target.function, "__func__", target.function), "__module__", "__main__")

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            # What the guest's script defines is what this one defines.
            return super().find_class(home if module == target.module else module, name)

    return Unpickler(io.BytesIO(data)).load()  # the user asked for it: docs/call-mode.md


def _exception(report: dict[str, Any], target: Target) -> BaseException:
    text, kind = str(report["text"]), str(report["type"])
    cause = RemoteError(
        f"{target.name} raised {kind} in the container" + (f": {text}" if text else ""),
        type_name=kind,
        traceback=str(report["traceback"]),
    )
    error = _rebuilt(report)
    notes = [str(note) for note in report["notes"]]
    for note in notes:
        (error or cause).add_note(note)
    if error is None:
        return cause
    error.__cause__ = cause
    return error


def _rebuilt(report: dict[str, Any]) -> BaseException | None:
    """Return a built-in exception; ``None`` where it is not built in, or holds what did not travel."""
    import ast
    import builtins

    kind = getattr(builtins, str(report["builtin"]), None)
    arguments = report["arguments"]
    if not (isinstance(kind, type) and issubclass(kind, BaseException)) or arguments is None:
        return None
    try:
        error = kind(*ast.literal_eval(str(arguments)))
    except (TypeError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    for name, value in dict(report["state"]).items():
        if isinstance(value, str) and not name.startswith("__"):
            with contextlib.suppress(AttributeError, TypeError):
                setattr(error, name, value)
    return error
