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
from buildr.host.limits import (
    BUILD_STEPS,
    LINE_CHARACTERS,
    LOG_LINES,
    STEP_CHARACTERS,
    TAIL_CHARACTERS,
)
from buildr_backends.docker.buildkit.protobuf import decode, numbers, texts
from buildr_backends.http.json_stream import documents
from buildr_backends.http.refusal import shortened
from buildr_backends.shared.transfer import failure_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.engines.records import OnEvent

_TRACE, _IMAGE = "moby.buildkit.trace", "moby.image.id"
# For example "[2/3] RUN true", with the names of platform and stage before the numbers if there are several.
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
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))

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
        why = " ".join(_plain(shortened(why, STEP_CHARACTERS)).split())
        where = f" in `{step}`" if step else ""
        tail = broken[0].tail if broken else ()
        return BuildError(f"the build failed{where}: {why}", hint="\n".join(tail), step=step)

    def _vertex(self, message: bytes) -> None:
        found = texts(message)
        vertex = self._found(found.get(1, ""))
        vertex.name = found.get(3, vertex.name)[:STEP_CHARACTERS]
        if error := found.get(7):
            vertex.error = shortened(error, STEP_CHARACTERS)
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
            text = (found.get(3) or found.get(1, ""))[:LINE_CHARACTERS]
            self._on_event(Event(kind="transfer", text=text, current=count.get(4, 0), total=total))

    def _log(self, message: bytes) -> None:
        vertex = self._found(texts(message).get(1, ""))
        for number, value in decode(message):
            if number == _OUTPUT and isinstance(value, bytes):
                self._output(vertex, value)

    def _found(self, digest: str) -> _Vertex:
        """Return the step of a digest, a new one if it is unknown.

        Raises:
            ValueError: there are more than a build can have.
        """
        vertex = self._vertexes.setdefault(digest[:LINE_CHARACTERS], _Vertex())
        if len(self._vertexes) > BUILD_STEPS:
            raise ValueError(f"more than {BUILD_STEPS} steps")
        return vertex

    def _output(self, vertex: _Vertex, data: bytes) -> None:
        *lines, partial = (vertex.partial + data).split(b"\n")
        for line in lines:
            self._say(vertex, line)
        # One that is longer is reported in pieces.
        rest = max(0, len(partial) - 1) // LINE_CHARACTERS * LINE_CHARACTERS
        for at in range(0, rest, LINE_CHARACTERS):
            self._say(vertex, partial[at : at + LINE_CHARACTERS])
        vertex.partial = partial[rest:]

    def _say(self, vertex: _Vertex, line: bytes) -> None:
        # A progress bar overwrites itself: only its last state counts.
        text = line.decode(errors="replace")
        if shown := text.rstrip().rpartition("\r")[2].rstrip()[:LINE_CHARACTERS]:
            vertex.tail.append(shown[:TAIL_CHARACTERS])
            self._on_event(Event(kind="log", text=shown))

    _readers = {1: _vertex, 2: _status, 3: _log}  # noqa: RUF012 - by the fields of a StatusResponse


def _plain(failure: str) -> str:
    """Return an error without the prefixes that only say where in the engine it occurred."""
    while match := _BEFORE.match(failure):
        failure = failure[match.end() :]
    match = _EXIT.fullmatch(failure)
    return match[1] if match else failure
