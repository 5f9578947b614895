"""An answer that refuses a request: the engine's own words, and whether the refusal is transient."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from buildr.errors import EngineError
from buildr.host.limits import REFUSAL, REFUSAL_CHARACTERS

if TYPE_CHECKING:
    from buildr_backends.http.response import Response

# What an engine says when something changes or disappears while it looks at it, which says nothing about the thing itself:
# a panic of Go that it has caught, and the error values of its store (containers/storage, errors.go).
_PASSING = ("runtime error:", "container not known", "image not known", "layer not known")
_INTERNAL = 500


def shortened(message: str, most: int = REFUSAL_CHARACTERS) -> str:
    """Shorten a long message in the middle: its beginning says what failed, and its end why."""
    if len(message) <= most:
        return message
    head = most // 4
    return f"{message[:head]} […] {message[head - most :]}"


def is_transient(error: EngineError) -> bool:
    """Whether the same request may succeed a moment later."""
    return error.status == _INTERNAL and any(words in error.message for words in _PASSING)


def refusal(method: str, path: str, response: Response) -> EngineError:
    """Read an answer whose status is an error; the connection is closed."""
    text = response.beginning(REFUSAL).decode(errors="replace").strip()
    message: object = ""
    with contextlib.suppress(ValueError, AttributeError, RecursionError):  # some are plain text
        document = json.loads(text)
        message = document.get("message") or document.get("cause")
    words = shortened(str(message or text))
    return EngineError(
        f"the engine refused {method} {path}: {words or response.status}",
        status=response.status,
        message=words,
    )
