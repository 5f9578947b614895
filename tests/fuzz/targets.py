"""Properties of the readers of foreign bytes.

Hypothesis checks them in every test run; ``make fuzz`` runs them under atheris, a coverage-guided fuzzer.
"""

from __future__ import annotations

import json
import types
from typing import TYPE_CHECKING, Any

from buildr.archive.header import FILE, header, sparse_header
from buildr.archive.reader import ArchiveError, TarReader
from buildr.archive.sparse import sparse_records
from buildr.call import result
from buildr.engines.progress import Progress
from buildr.engines.streams import STDERR, STDOUT
from buildr.errors import EngineLostError, terminal_safe
from buildr.guest import transfer
from buildr.guest.call import describe
from buildr.installer.log import Log
from buildr.installer.secrets import Secrets
from buildr_backends.http import json_stream
from buildr_backends.shared import frames as frame_reader
from tests.fuzz import checkouts, layers, sessions

if TYPE_CHECKING:
    from buildr.engines.records import Event

_HEADER = 8


def frames(data: bytes) -> None:
    """Decode frames in pieces: the same result as that of a decoder which has all bytes at once."""
    expected, failed = _all_frames(data)
    for size in (1, 3, _HEADER, max(1, len(data))):
        found, error = _decode(data, size)
        assert found == expected, size
        assert error is failed, size


def documents(data: bytes) -> None:
    """Decode JSON documents: the result does not depend on the pieces, and only our own error is raised."""
    verdicts = []
    for size in (1, 7, max(1, len(data))):
        found: list[object] = []
        error = False
        try:
            found.extend(
                json_stream.documents(data[i : i + size] for i in range(0, len(data), size))
            )
        except EngineLostError:
            error = True
        verdicts.append((json.dumps(found), error))
    # In one piece there may be fewer documents before an error, never different ones.
    whole, was_error = verdicts[-1]
    assert all(error is was_error for _, error in verdicts), verdicts
    assert was_error or all(text == whole for text, _ in verdicts), verdicts


def archives(data: bytes) -> None:
    """Read an archive: independent of the pieces, only our own error, and never more bytes than there are."""
    verdicts = []
    for size in (1, 100, max(1, len(data))):
        found: list[tuple[str, bytes]] = []
        error = False
        try:
            for member in (
                reader := TarReader(data[i : i + size] for i in range(0, len(data), size))
            ):
                found.append((member.path, b"".join(reader.content())))
        except ArchiveError:
            error = True
        assert sum(len(content) for _, content in found) <= len(data)
        verdicts.append((found, error))
    assert all(verdict == verdicts[-1] for verdict in verdicts), verdicts


def answers(data: bytes) -> None:
    """Read a guest's answer to a call, as a value and as each kind of report: never an exception that ends the program."""
    target: Any = types.SimpleNamespace(name="f", module="m", function=len)
    kinds = ("value", "error", "refused", "missing")
    packed = transfer.message({"kind": "value", "json": data.find(b"\n") % (len(data) + 1)}, data)
    for given in (data, packed, *(transfer.message({"kind": kind}, data) for kind in kinds)):
        try:
            result.read(given, target, pickled=False, limit=1 << 20, hide=lambda report: report)
        except Exception as error:  # noqa: BLE001 - any exception is allowed
            cause = error.__cause__ or error
            shown = str(cause) if hasattr(cause, "hint") else ""
            assert terminal_safe(shown) == shown


def logs(data: bytes) -> None:
    """Show an installation log: lines without control characters, independent of the pieces."""
    shown: list[list[str]] = []
    for size in (1, 7, max(1, len(data))):
        lines = Lines()
        log = Log(Secrets(variables={}, files={}, meanings={}, hidden={}), lines, None, "")
        for at in range(0, len(data), size):
            log.add(data[at : at + size])
        log.flush()
        shown.append(lines.texts)
    assert shown[0] == shown[1] == shown[2]
    assert all(terminal_safe(line) == line and "\n" not in line for line in shown[0])


class Lines(Progress):
    """Collects the lines that would be shown."""

    def __init__(self) -> None:
        super().__init__("installing", "quiet")
        self.texts: list[str] = []

    def __call__(self, event: Event) -> None:
        """Add a line."""
        self.texts.append(event.text)


def _all_frames(data: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """A reference decoder: return the payloads, joined by stream, and whether they end in an error."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        header = data[at : at + _HEADER]
        if len(header) < _HEADER:
            return found, True
        if header[0] > 3 or any(header[1:4]):
            return found, True
        if header[0] == 3:  # the engine's report that the stream failed
            return found, True
        length = int.from_bytes(header[4:], "big")
        payload = data[at + _HEADER : at + _HEADER + length]
        _join(found, STDERR if header[0] == STDERR else STDOUT, payload)
        if len(payload) < length:
            return found, True
        at += _HEADER + length
    return found, False


def _decode(data: bytes, size: int) -> tuple[list[tuple[int, bytes]], bool]:
    decoder = frame_reader.FrameDecoder()
    found: list[tuple[int, bytes]] = []
    try:
        for at in range(0, len(data), size):
            piece = memoryview(data)[at : at + size]
            for stream, payload in decoder.feed(piece):
                _join(found, stream, bytes(payload))
            if decoder.failure is not None:
                return found, True
        decoder.finish()
    except EngineLostError:
        return found, True
    return found, False


def _join(found: list[tuple[int, bytes]], stream: int, payload: bytes) -> None:
    if not payload:
        return
    if found and found[-1][0] == stream:
        found[-1] = (stream, found[-1][1] + payload)
    else:
        found.append((stream, payload))


TARGETS = {
    **checkouts.TARGETS,
    **sessions.TARGETS,
    "frames": frames,
    "documents": documents,
    "archives": archives,
    "layers": layers.layers,
    "images": layers.images,
    "answers": answers,
    "logs": logs,
}
SEEDS = {
    **checkouts.SEEDS,
    **sessions.SEEDS,
    **layers.SEEDS,
    "frames": [
        b"\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\1x",
        b"\3\0\0\0\0\0\0\4lost",
        b"\0\0\0\0\xff\xff\xff\xffa",
    ],
    "documents": [
        b'{"stream":"a\\n"}\r\n{"aux":{"ID":"sha256:0"}}\n',
        b'{"a":[1,2,\n{"b":null}]}',
        b'"x"\n7\n',
    ],
    "archives": [
        header(b"a", FILE, mode=0o644, size=5) + b"hello" + bytes(507) + bytes(1024),
        header("ü".encode() * 99, FILE, mode=0o644, size=0) + bytes(1024),
        sparse_header(b"x", sparse_records(b"y", 1 << 40), mode=0o644, size=0) + bytes(1024),
    ],
    "answers": [
        describe(ValueError("a", b"b", (1, [None, {"c": 1.5}])))[1],
        describe(SystemExit(3))[1],
        describe(FileNotFoundError(2, "no such file", "/x"))[1],
        b'{"kind": "value", "length": 2}\n[]',
    ],
    "logs": [
        b"Collecting x\n\x1b[31mERROR: no\x1b[0m\n",
        b"\x1b]0;title\x07 10%\r 20%\r100%\n",
    ],
}
