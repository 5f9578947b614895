"""The progress of a build, as both engines stream it: JSON documents with text, an error, or the image's id."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any

from buildr.backend import Event
from buildr.errors import BuildError
from buildr_backends._http import lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.backend import OnEvent

# "Step 3/9 : RUN …" from Docker, "STEP 3/9: RUN …" from Podman.
_STEP = re.compile(r"step (\d+)/(\d+)\s?: (.*)", re.IGNORECASE)
_IMAGE = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
# What an engine says of its own book-keeping between the lines of a step.
_NOISE = re.compile(r"-{2,3}> .*|Removing intermediate container .*|Successfully built .*|COMMIT.*")
_TAIL = 40  # lines of a failed step that an error repeats


def follow_build(chunks: Iterable[bytes], on_event: OnEvent) -> str:
    """Follow a build to its end; return the image's id as 64 hexadecimal digits.

    Args:
        chunks: the body of the engine's answer, cut anywhere.
        on_event: told of each step and each line of its output, as they come.

    Raises:
        BuildError: a step failed, with the last lines of its output.
        EngineLostError: the stream broke off.
    """
    image = ""
    tail: deque[str] = deque(maxlen=_TAIL)
    step = ""
    for document in lines(chunks):
        if not isinstance(document, dict):
            continue
        answer: dict[str, Any] = document
        if failure := (answer.get("errorDetail") or {}).get("message") or answer.get("error"):
            raise _failed(str(failure), step, tail)
        if found := (answer.get("aux") or {}).get("ID"):
            image = str(found).removeprefix("sha256:")
        for line in str(answer.get("stream") or "").splitlines():
            if match := _STEP.fullmatch(line.strip()):
                step = match[3].strip()
                tail.clear()
                on_event(Event(kind="step", text=step, current=int(match[1]), total=int(match[2])))
            elif line.strip() and not _NOISE.fullmatch(line.strip()):
                # Podman ends with the bare id; some versions send no `aux`.
                if whole := _IMAGE.fullmatch(line.strip()):
                    image = whole[1]
                    continue
                tail.append(line.rstrip())
                on_event(Event(kind="log", text=line.rstrip()))
    if not image:
        raise _failed("the engine named no image at the end of the build", step, tail)
    return image


def _failed(failure: str, step: str, tail: Iterable[str]) -> BuildError:
    where = f" in `{step}`" if step else ""
    return BuildError(f"the build failed{where}: {failure.strip()}", hint="\n".join(tail))
