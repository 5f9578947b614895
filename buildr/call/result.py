"""Reads the outcome of a call, a value or an exception, from the guest's message.

The container is not trusted: a malformed message is an error, and only built-in exceptions with plain arguments are
rebuilt. pickle is used only if the user opted in.
"""

from __future__ import annotations

import contextlib
import functools
import signal
from typing import TYPE_CHECKING, Any

from buildr.errors import EntryError, RemoteError, TransferError, terminal_safe
from buildr.guest import transfer
from buildr.host.documents import read_json
from buildr.host.limits import CALL_HEAD, CALL_REPORT, CALL_REPORT_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from buildr.call.target import Target

HEAD_BYTES = CALL_HEAD + CALL_REPORT
"""The maximum size of a message beyond its value: the first line, or the report of an exception."""
_DEPTH = 40  # of lists in a report; arguments have up to 20, each tagged by a list


def read(
    message: bytes | bytearray,
    target: Target,
    *,
    pickled: bool,
    limit: int,
    hide: Callable[[Any], Any],
) -> Any:
    """Return the value that a message holds.

    Args:
        message: the received message.
        target: the function.
        pickled: whether its value is a pickle, not JSON.
        limit: the maximum size of the value, in bytes.
        hide: removes secrets from the report of an exception.

    Raises:
        Exception: the exception of the function, if it is built in.
        RemoteError: it raised another exception, or one that ends a program: SystemExit, KeyboardInterrupt.
        TransferError: its result cannot travel.
        EntryError: the guest could not find it.
    """
    has_head = message.find(b"\n", 0, CALL_HEAD) >= 0
    parsed = transfer.parse(message) if has_head else None
    kind = parsed[0].get("kind") if parsed else None
    if parsed is None or kind not in ("value", "error", "refused", "missing"):
        raise TransferError(f"what came back from {target.name} is not an answer of the guest part")
    try:
        if kind == "value":
            return _value(parsed[0], parsed[1], target, pickled=pickled, limit=limit)
        # A message that is too long was truncated and cannot be read.
        report = hide(read_json(bytes(parsed[1][:CALL_REPORT]), most_values=CALL_REPORT_VALUES))
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
    """Report that a container ended without an answer.

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


def _value(
    head: dict[str, Any], data: transfer.Bytes, target: Target, *, pickled: bool, limit: int
) -> Any:
    transfer.within(len(data), "result", limit)
    if not pickled:
        read = functools.partial(read_json, most_values=len(data))
        return transfer.decode(head, data, function=target.function, read=read)
    try:
        return _unpickle(head, data, target)
    except Exception as error:
        raise TransferError(
            f"the result of {target.name} cannot be unpickled: {type(error).__name__}: {error}"
        ) from error


def _unpickle(head: dict[str, Any], data: transfer.Bytes, target: Target) -> Any:
    import io
    import pickle

    home = getattr(getattr(target.function, "__func__", target.function), "__module__", "__main__")

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            # Classes of the guest's script are those of this one.
            return super().find_class(home if module == target.module else module, name)

    first, beside = transfer.divided(head, data)
    buffers = transfer.buffers(head, beside)
    return Unpickler(
        io.BytesIO(first), buffers=buffers
    ).load()  # the user opted in: docs/call-mode.md


def _exception(report: dict[str, Any], target: Target) -> Exception:
    text, kind = str(report["text"]), str(report["type"])
    arguments = report["arguments"]
    values = None if arguments is None else tuple(_argument(item) for item in arguments)
    builtin = _builtin(str(report["builtin"]))
    said = f": {text}" if text else ""
    if builtin is SystemExit:
        # A function can end its container, but not the calling program.
        what, said = (
            "ended its program by sys.exit",
            f" ({said.removeprefix(': ')})" if text else "",
        )
    else:
        what = f"raised {kind}"
    cause = RemoteError(
        f"{target.name} {what} in the container{said}",
        type_name=kind,
        traceback=terminal_safe(str(report["traceback"])),
        status=_status(values) if builtin is SystemExit else None,
    )
    error = _rebuilt(builtin, values, dict(report["state"]))
    for note in list(report["notes"]):
        (error or cause).add_note(terminal_safe(str(note)))
    if error is None:
        return cause
    error.__cause__ = cause
    return error


def _builtin(name: str) -> type[BaseException] | None:
    import builtins

    kind = getattr(builtins, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None


def _status(values: tuple[Any, ...] | None) -> int:
    """Return the exit status of a program for an argument of ``sys.exit``."""
    code = values[0] if values else None
    if code is None:
        return 0
    return code & 0xFF if type(code) is int else 1


def _rebuilt(
    kind: type[BaseException] | None, values: tuple[Any, ...] | None, state: dict[str, Any]
) -> Exception | None:
    """Return a built-in exception; ``None`` if it is not built in, would end the program, or has arguments that did not travel."""
    if kind is None or not issubclass(kind, Exception) or values is None:
        return None
    try:
        error = kind(*values)
    except (TypeError, ValueError):
        return None
    for name, value in state.items():
        # Skip methods of the class and attributes of Python itself.
        if isinstance(value, str) and name != "args" and not callable(getattr(kind, name, None)):
            with contextlib.suppress(AttributeError, TypeError):
                if not name.startswith("__"):
                    setattr(error, name, value)
    return error


def _argument(item: Any, depth: int = 0) -> Any:
    """Return an argument of an exception: see `buildr.guest.call.plain_value`."""
    if not isinstance(item, list):
        if isinstance(item, dict):
            raise TypeError("a table where there is none")
        return item
    if depth > _DEPTH:
        raise ValueError("nested too deeply")
    kind, value = item
    if kind == "bytes":
        return str(value).encode("latin-1")
    if kind == "dict":
        return {_argument(key, depth + 1): _argument(one, depth + 1) for key, one in value}
    return {"tuple": tuple, "list": list}[kind](_argument(one, depth + 1) for one in value)
