"""The guest's side of call mode: runs one function of the script, and writes down what came of it.

Usage: python -u call.py RESULT

The request comes on standard input, which is empty from then on. The result goes to the file RESULT.
"""

from __future__ import annotations

import os
import sys

# Its own folder must not hide modules; what is imported below comes from the guest part and the standard library.
if __name__ == "__main__" and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
    del sys.path[0]

import json

from buildr.errors import TransferError
from buildr.guest import loading, transfer
from buildr.guest.loading import MAIN, LoadError, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Tuple

    Answer = Tuple[dict[str, Any], bytes]

_SHOWN = 64 * 1024  # characters of a traceback, and of an exception's text
_OWN = (__file__, loading.__file__)  # what a traceback begins with, and does not show
_LITERALS = (type(None), bool, int, float, str, bytes)


def main(path: str) -> int:
    """Answer the request on standard input; return the exit status."""
    request = transfer.parse(_take_input())
    if request is None:
        sys.stderr.write("buildr: the request for a call broke off\n")
        return 1
    head, payload = request
    pid = os.getpid()
    try:
        function = load(head)
    except BaseException as error:  # noqa: BLE001 - whatever the script's own code raises
        answer = describe(error)
    else:
        answer = perform(function, head, payload)
    if os.getpid() != pid:
        return 0  # a child that the function forked, and let return
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # closed, or replaced by something else
    write(path, answer)
    return 0 if answer[0]["kind"] == "value" else 1


def _take_input() -> bytes:
    chunks = []
    while True:
        data = os.read(0, 1 << 20)
        if not data:
            break
        chunks.append(data)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return b"".join(chunks)


def write(path: str, answer: Answer) -> None:
    """Write an answer into a file that is there already, or that is made here."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    with open(descriptor, "wb") as file:
        file.write(transfer.message(*answer))


def perform(function: Any, head: dict[str, Any], payload: bytes) -> Answer:
    """Call the function; return what came of it, as head and data of a message.

    Args:
        function: to call.
        head: the request's: ``pickled``, ``limit``.
        payload: positional arguments and named ones.
    """
    try:
        if head["pickled"]:
            import pickle

            args, kwargs = pickle.loads(payload)  # noqa: S301 - it comes from the host, which runs this container
        else:
            args, kwargs = json.loads(payload)
        value = function(*args, **kwargs)
        if hasattr(value, "cr_await"):  # an `async def`
            import asyncio

            value = asyncio.run(value)
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are told, too
        return describe(error)
    try:
        return {"kind": "value"}, transfer.encode(
            value, "result", head["limit"], pickled=head["pickled"]
        )
    except TransferError as error:
        return {"kind": "refused"}, _json([error.what, error.hint])


def describe(error: BaseException) -> Answer:
    """Return what is told of an exception, as head and data of a message."""
    if isinstance(error, LoadError):
        return {"kind": "missing"}, _json([error.what, error.hint])
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in _OWN:
        trace = trace.tb_next
    kind = type(error)
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a class of the script's
        text = "(it cannot be shown)"
    try:
        lines = traceback.format_exception(kind, error, trace)
    except Exception:  # noqa: BLE001 - likewise
        lines = ["%s: %s\n" % (transfer.type_name(kind), text)]
    report: dict[str, Any] = {
        "builtin": kind.__qualname__ if kind.__module__ == "builtins" else "",
        "type": transfer.type_name(kind),
        "text": _cut(text),
        "traceback": _cut("".join(lines).replace(MAIN + ".", "").rstrip("\n")),
        "notes": [_cut(str(note)) for note in getattr(error, "__notes__", ())],
        "arguments": None,
        "state": {},
    }
    if report["builtin"]:
        reduced = error.__reduce__()
        if _is_literal(reduced[1]):
            report["arguments"] = repr(reduced[1])
        state = reduced[2] if len(reduced) > 2 and isinstance(reduced[2], dict) else {}
        report["state"] = {key: value for key, value in state.items() if type(value) is str}
    return {"kind": "error"}, _json(report)


def _is_literal(value: Any, depth: int = 0) -> bool:
    """Whether `ast.literal_eval` reads a value as it is from its repr()."""
    kind = type(value)
    if depth > 20:
        return False
    if kind in (tuple, list):
        return all(_is_literal(item, depth + 1) for item in value)
    if kind is dict:
        return all(
            _is_literal(k, depth + 1) and _is_literal(v, depth + 1) for k, v in value.items()
        )
    if kind is float and value - value != 0:
        return False
    if kind in (str, bytes, int):
        return (len(value) if kind is not int else value.bit_length() // 3) < _SHOWN // 16
    return kind in _LITERALS


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _cut(text: str) -> str:
    if len(text) <= _SHOWN:
        return text
    return "%s\n[%d characters left out]\n%s" % (
        text[: _SHOWN // 2],
        len(text) - _SHOWN,
        text[-_SHOWN // 2 :],
    )


if __name__ == "__main__":
    # sys.exit, not os._exit: what the function left to the end of the process, it gets.
    sys.exit(main(sys.argv[1]))
