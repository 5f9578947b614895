"""The guest's side of call mode: runs a function of the script, and writes the outcome.

Usage: python -u call.py PLACE

Where PLACE is a folder, with FIFOs of the host's, it is a worker, which answers one call after the other (`buildr.guest.worker`).
Else there is one call: the request comes on standard input, which is empty from then on, and the answer goes to the file PLACE.
"""

# ruff: noqa: E402 - the guard comes before all other imports

from __future__ import annotations

import os
import sys

# Its own folder must not hide modules; what is imported below comes from the guest part and the standard library.
if __name__ == "__main__" and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
    del sys.path[0]

from buildr.guest.shadows import guard

guard()  # first, since it guards all other imports

import json

from buildr.errors import TransferError
from buildr.guest import loading, transfer
from buildr.guest.loading import MAIN, LoadError, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Tuple

    Answer = Tuple[Any, ...]  # the head of a message, and the parts of its data

_SHOWN = 64 * 1024  # characters of a traceback, and of an exception's text
_OWN = (__file__, loading.__file__)  # what a traceback begins with, and does not show
_NOTES = 100  # of an exception; and as many attributes
_REPORT_BYTES = 2 << 20  # without its notes, arguments and attributes a report has fewer
_DEPTH = 20  # of lists and tables in an exception's arguments
_ITEMS = 1000  # of these, in all
_PLAIN = (type(None), bool, int, float, str)


def main(place: str) -> int:
    """Answer calls; return the exit status."""
    if os.path.isdir(place):
        from buildr.guest.worker import serve

        return serve(place, respond)
    pid = os.getpid()
    request = _take_input()
    if transfer.parse(request) is None:
        sys.stderr.write("buildr: the request for a call broke off\n")
        return 1
    answer = respond(request)
    if os.getpid() != pid:
        return 0  # a child that the function forked, and let return
    try:
        write(place, answer)
    except OSError as error:
        sys.stderr.write("buildr: the answer to a call cannot be written: %s\n" % error.strerror)
        return 1
    return 0 if answer[0]["kind"] == "value" else 1


def respond(request: bytes | bytearray) -> Answer:
    """Carry out a request; return the answer."""
    head, payload = transfer.parse(request) or ({}, b"")
    try:
        function = load(head)
    except BaseException as error:  # noqa: BLE001 - the script's code may raise anything
        kind, report = describe(error)
        answer: Answer = dict(kind, ends=True), report  # half of a script serves no further call
    else:
        answer = perform(function, head, payload)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # closed, or replaced by something else
    return answer


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
    """Write an answer into a file that is made here."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o644), "wb") as file:
        file.write(transfer.message(*answer))


def perform(
    function: Any, head: dict[str, Any], payload: transfer.Bytes, of: object = None
) -> Answer:
    """Call the function; return the outcome, as head and data of a message.

    Args:
        function: to call.
        head: the request's: ``pickled``, ``limit``.
        payload: positional arguments and named ones.
        of: whose annotations name the classes that may travel; ``None``: the function's own.
    """
    try:
        if head["pickled"]:
            import pickle

            first, beside = transfer.divided(head, payload)
            args, kwargs = pickle.loads(  # noqa: S301 - it comes from the host, which runs this container
                first, buffers=transfer.buffers(head, beside)
            )
        else:
            args, kwargs = transfer.decode(head, payload, function=of or function)
        if head.get("other"):
            function, *args = args  # one that came along, of an executor
        value = function(*args, **kwargs)
        if hasattr(value, "cr_await"):  # an `async def`
            import asyncio

            value = asyncio.run(value)
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are reported, too
        return describe(error)
    try:
        said, parts = transfer.encode(
            value, "result", head["limit"], pickled=head["pickled"], function=of or function
        )
        return (dict(said, kind="value"), *parts)
    except TransferError as error:
        return {"kind": "refused"}, _json([error.what, error.hint])


def describe(error: BaseException) -> Answer:
    """Describe an exception, as head and data of a message."""
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
    except Exception:  # noqa: BLE001 - a class of the script's
        lines = ["%s: %s\n" % (transfer.type_name(kind), text)]
    report: dict[str, Any] = {
        "builtin": kind.__qualname__ if kind.__module__ == "builtins" else "",
        "type": transfer.type_name(kind),
        "text": _cut(text),
        "traceback": _cut("".join(lines).replace(MAIN + ".", "").rstrip("\n")),
        "notes": [
            _cut(str(note), _SHOWN // 16) for note in _first(getattr(error, "__notes__", ()))
        ],
        "arguments": None,
        "state": {},
    }
    if report["builtin"]:
        reduced = error.__reduce__()
        try:
            report["arguments"] = plain_value(tuple(reduced[1]), [_ITEMS])[1]
        except ValueError:
            pass  # it stays None: they do not travel
        state = reduced[2] if len(reduced) > 2 and isinstance(reduced[2], dict) else {}
        report["state"] = {
            key: value
            for key, value in _first(state.items())
            if type(key) is type(value) is str and len(key) + len(value) < _SHOWN // 16
        }
    data = _json(report)
    if len(data) > _REPORT_BYTES:
        data = _json(dict(report, notes=[], arguments=None, state={}))
    # What ends a program ends the worker.
    return {"kind": "error", "ends": not isinstance(error, Exception)}, data


def plain_value(value: Any, left: List[int], depth: int = 0) -> Any:
    """Return an argument of an exception as JSON gives it back: in a list that begins with what it is, if it is not plain.

    Args:
        value: the argument.
        left: how many items there may still be.
        depth: how many lists and tables it is in.

    Raises:
        ValueError: it does not travel.
    """
    kind = type(value)
    left[0] -= 1
    if left[0] < 0 or depth > _DEPTH:
        raise ValueError("too much of it")
    if kind in (str, bytes) and len(value) >= _SHOWN // 16:
        raise ValueError("too long")
    if kind is int and value.bit_length() // 3 >= 4300:
        raise ValueError("too many digits")
    if kind is float and value - value != 0:
        raise ValueError("JSON has no such number")
    if kind in _PLAIN:
        return value
    if kind is bytes:
        return ["bytes", value.decode("latin-1")]
    if kind in (tuple, list):
        return [kind.__name__, [plain_value(item, left, depth + 1) for item in value]]
    if kind is dict:
        pairs = [[plain_value(part, left, depth + 1) for part in pair] for pair in value.items()]
        return ["dict", pairs]
    raise ValueError("of another type")


def _first(items: Any) -> Any:
    from itertools import islice

    return islice(items, _NOTES)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _cut(text: str, shown: int = _SHOWN) -> str:
    if len(text) <= shown:
        return text
    return "%s\n[%d characters left out]\n%s" % (
        text[: shown // 2],
        len(text) - shown,
        text[-shown // 2 :],
    )


if __name__ == "__main__":
    # sys.exit, not os._exit, so that exit handlers of the function run.
    sys.exit(main(sys.argv[1]))
