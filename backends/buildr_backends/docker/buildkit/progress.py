"""The progress of a BuildKit build, which replaces a log: decoded, as events.

Each record is a ``StatusResponse`` of https://github.com/moby/buildkit/blob/master/api/services/control/control.proto
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct, field

from buildr.engines.records import Event
from buildr.errors import BuildError, EngineLostError
from buildr_backends.docker.buildkit.protobuf import decode, numbers, texts
from buildr_backends.http.json_stream import documents
from buildr_backends.shared.transfer import failure_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.engines.records import OnEvent

_TRACE, _IMAGE = "moby.buildkit.trace", "moby.image.id"
# As in "[2/3] RUN true", with the names of platform and stage before the numbers where there are several.
_STEP = re.compile(r"\[(?:[^\]]* )?(\d{1,9})/(\d{1,9})\] (.*)", re.DOTALL)
_OWN = "[internal] "  # BuildKit's internal steps
_CANCELLED = "context canceled"
# The prefixes that each layer of the engine puts before the reason.
_BEFORE = re.compile(
    r"(?:failed to solve(?: with frontend \S+)?|rpc error: code = \S+ desc|failed to (?:create|build) LLB(?: definition)?"
    r"|failed to read dockerfile|dockerfile parse error(?= on line))(?: =|:) "
)
_EXIT = re.compile(
    r"(?:executor failed running \[.*\]|process \".*\" did not complete successfully): (exit code: \d+)",
    re.DOTALL,
)
_OUTPUT = 4  # the field of a log that holds a step's output
_TAIL = 40  # lines of a failed step that an error repeats
_LONGEST = 1 << 13  # characters of one line; a longer one is reported in pieces


def follow_build(chunks: Iterable[bytes], on_event: OnEvent) -> str:
    """Follow a build to its end; return the image's id.

    Args:
        chunks: the body of the engine's answer, cut anywhere.
        on_event: called with each step and each line of its output, as they come.

    Raises:
        BuildError: a step failed, with the last lines of its output.
        EngineLostError: the stream broke off, or is not what it should be.
    """
    image = ""
    trace = _Trace(on_event)
    for document in documents(chunks):
        if failure := failure_of(document):
            raise trace.failed(failure)
        kind = text_of(document, "id")
        if kind == _TRACE:
            trace.add(_decoded(text_of(document, "aux")))
        elif kind == _IMAGE:
            image = text_of(document, "aux", "ID")
            on_event(Event(kind="image", text=image.removeprefix("sha256:")))
    trace.flush()
    if not image:
        raise trace.failed("the engine named no image at the end of the build")
    return image


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EngineLostError(f"the engine's progress is not base64: {text[:80]!r}") from None


class _Vertex(Struct):
    """A step, or an internal one of BuildKit's."""

    name: str = ""
    is_said: bool = False
    error: str = ""
    partial: bytes = b""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))

    @property
    def step(self) -> str:
        """The instruction, or BuildKit's name for the step."""
        match = _STEP.fullmatch(self.name)
        return match[3] if match else self.name.removeprefix(_OWN)


class _Trace:
    """The state of a build so far."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._vertexes: dict[str, _Vertex] = {}

    def add(self, status: bytes) -> None:
        """Take one record.

        Raises:
            EngineLostError: it cannot be read.
        """
        try:
            for number, value in decode(status):
                if number in self._readers and isinstance(value, bytes):
                    self._readers[number](self, value)
        except ValueError as error:
            raise EngineLostError(f"the engine's progress cannot be read: {error}") from None

    def flush(self) -> None:
        """Report lines that have no end yet."""
        for vertex in self._vertexes.values():
            partial, vertex.partial = vertex.partial, b""
            self._say(vertex, partial)

    def failed(self, failure: str) -> BuildError:
        """Return the error of a build that failed."""
        self.flush()
        broken = [
            vertex
            for vertex in self._vertexes.values()
            if vertex.error and _CANCELLED not in vertex.error
        ]
        step, why = (broken[0].step, broken[0].error) if broken else ("", failure)
        why = " ".join(_plain(why).split())
        where = f" in `{step}`" if step else ""
        tail = broken[0].tail if broken else ()
        return BuildError(f"the build failed{where}: {why}", hint="\n".join(tail), step=step)

    def _vertex(self, message: bytes) -> None:
        found = texts(message)
        vertex = self._vertexes.setdefault(found.get(1, ""), _Vertex())
        vertex.name = found.get(3, vertex.name)
        vertex.error = found.get(7, vertex.error)
        if 5 in found and not vertex.is_said:  # it has started
            vertex.is_said = True
            match = _STEP.fullmatch(vertex.name)
            if match:
                self._on_event(
                    Event(kind="step", text=match[3], current=int(match[1]), total=int(match[2]))
                )
            elif not vertex.name.startswith(_OWN):
                self._on_event(Event(kind="log", text=vertex.name))

    def _status(self, message: bytes) -> None:
        count, found = numbers(message), texts(message)
        if total := count.get(5, 0):
            text = found.get(3) or found.get(1, "")
            self._on_event(Event(kind="transfer", text=text, current=count.get(4, 0), total=total))

    def _log(self, message: bytes) -> None:
        vertex = self._vertexes.setdefault(texts(message).get(1, ""), _Vertex())
        for number, value in decode(message):
            if number == _OUTPUT and isinstance(value, bytes):
                self._output(vertex, value)

    def _output(self, vertex: _Vertex, data: bytes) -> None:
        *lines, vertex.partial = (vertex.partial + data).split(b"\n")
        for line in lines:
            self._say(vertex, line)
        while len(vertex.partial) > _LONGEST:
            self._say(vertex, vertex.partial[:_LONGEST])
            vertex.partial = vertex.partial[_LONGEST:]

    def _say(self, vertex: _Vertex, line: bytes) -> None:
        # A progress bar overwrites itself: only its last state counts.
        text = line.decode(errors="replace")
        if shown := text.rstrip().rpartition("\r")[2].rstrip():
            vertex.tail.append(shown[:_LONGEST])
            self._on_event(Event(kind="log", text=shown))

    _readers = {1: _vertex, 2: _status, 3: _log}  # noqa: RUF012 - by the fields of a StatusResponse


def _plain(failure: str) -> str:
    """Return a failure without the prefixes that only say where in the engine it was noticed."""
    while match := _BEFORE.match(failure):
        failure = failure[match.end() :]
    match = _EXIT.fullmatch(failure)
    return match[1] if match else failure
