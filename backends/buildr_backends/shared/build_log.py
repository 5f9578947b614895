"""The progress of a build, as both engines stream it: JSON documents with text, an error, or the image's id."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from buildr.engines.records import Event
from buildr.errors import BuildError
from buildr.host.limits import LINE_CHARACTERS, LOG_LINES
from buildr_backends.http.json_stream import documents
from buildr_backends.http.refusal import shortened
from buildr_backends.shared.transfer import failure_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.engines.records import OnEvent

# "Step 3/9 : RUN …" from Docker, "STEP 3/9: RUN …" from Podman, "[1/2] STEP 3/9: RUN …" from its stages.
_STAGE = r"(?:\[\d+/\d+\] )?"
_STEP = re.compile(_STAGE + r"step (\d+)/(\d+) ?: (.*)", re.IGNORECASE | re.DOTALL)
_IMAGE = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_MADE = re.compile(r" ?-{2,3}> ([0-9a-f]{11,64})")
_CACHED = re.compile(r" ?-{2,3}> Using cache\b.*")
# An engine's own bookkeeping between the lines of a step.
_NOISE = re.compile(
    r" ?-{2,3}> (?:[0-9a-f]{11,64}|Using cache(?: [0-9a-f]+)?|Running in [0-9a-f]+|Pushing cache .*)"
    rf"|{_STAGE}COMMIT|Removing intermediate container [0-9a-f]+|Successfully (?:built|tagged) \S+"
)
_STDERR = ("\x1b[91m", "\x1b[0m")  # Docker colours a step's standard error red


def follow_build(chunks: Iterable[bytes], on_event: OnEvent) -> str:
    """Follow a build to its end; return the image's id as 64 hexadecimal digits.

    Args:
        chunks: the body of the engine's answer, cut anywhere.
        on_event: called with each step and each line of its output, as they come.

    Raises:
        BuildError: a step failed, with the last lines of its output.
        EngineLostError: the stream broke off.
    """
    image = ""
    log = _Log(on_event)
    for document in documents(chunks):
        if failure := failure_of(document):
            raise log.failed(failure)
        if found := _IMAGE.fullmatch(text_of(document, "aux", "ID")):
            image = found[1]
        if text := text_of(document, "stream"):
            log.add(text)
    image = image or log.image
    if not image:
        raise log.failed("the engine named no image at the end of the build")
    log.flush()
    return image


class _Log:
    """Separates the engine's messages from the output of a step, and joins the latter into lines.

    Each of the engine's own words is a document of its own. Output comes as it was written, cut anywhere.

    Attributes:
        image: the id that the log ended with, as Podman's does.
    """

    def __init__(self, on_event: OnEvent) -> None:
        self.image = ""
        self._held = ""
        self._on_event = on_event
        self._tail: deque[str] = deque(maxlen=LOG_LINES)
        self._step = ""
        self._made = False  # whether the step makes an image of its own
        self._partial = ""
        self._stderr = False

    def add(self, text: str) -> None:
        """Take the text of one document."""
        self._release()
        words = text.rstrip("\r\n")
        if match := _STEP.fullmatch(words):
            self.flush()
            self._tail.clear()
            self._step = match[3].strip()[:LINE_CHARACTERS]
            self._made = not self._step.upper().startswith("FROM ")
            self._on_event(
                Event(
                    kind="step", text=self._step, current=int(match[1][:9]), total=int(match[2][:9])
                )
            )
        elif _NOISE.fullmatch(words):
            self.flush()
            if _CACHED.fullmatch(words):
                self._made = False
            elif self._made and (made := _MADE.fullmatch(words)):
                self._on_event(Event(kind="image", text=made[1]))
        elif found := _IMAGE.fullmatch(words):
            self.image, self._held = found[1], text
        else:
            self._output(text)

    def flush(self) -> None:
        """Report a line that has no end yet."""
        partial, self._partial = self._partial, ""
        self._say(partial)

    def failed(self, failure: str) -> BuildError:
        """Return the error of a build that failed."""
        self._release()
        self.flush()
        where = f" in `{self._step}`" if self._step else ""
        # Podman repeats the step, which may be long.
        why = failure.strip().removeprefix(f'building at STEP "{self._step}": ')
        from buildr.host.confidential import without_logins  # only errors need it

        return BuildError(
            without_logins(f"the build failed{where}: {shortened(why)}"),
            hint=without_logins("\n".join(self._tail)),
            step=without_logins(self._step),
        )

    def _release(self) -> None:
        """Treat a text that looked like the image's id as output, since more output follows."""
        if self.image:
            self.image = ""
            self._output(self._held)

    def _output(self, text: str) -> None:
        start, end = _STDERR
        if text.startswith(start) is not self._stderr:
            self.flush()
            self._stderr = not self._stderr
        if self._stderr:
            text = text.removeprefix(start).removesuffix(end)
        *lines, partial = (self._partial + text).split("\n")
        for line in lines:
            self._say(line)
        rest = max(0, len(partial) - 1) // LINE_CHARACTERS * LINE_CHARACTERS
        for at in range(0, rest, LINE_CHARACTERS):
            self._say(partial[at : at + LINE_CHARACTERS])
        self._partial = partial[rest:]

    def _say(self, line: str) -> None:
        # A progress bar overwrites itself: only its last state counts.
        if shown := line.rstrip().rpartition("\r")[2].rstrip()[:LINE_CHARACTERS]:
            self._tail.append(shown)
            self._on_event(Event(kind="log", text=shown))
