"""Streams of JSON documents, in which engines report builds, pulls and pushes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from buildr.errors import EngineLostError
from buildr.host.limits import DOCUMENT_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

_SPACE = re.compile(r"\s*")
_SHORT = 1 << 13  # bytes of a document up to which decoding is tried at each line end
_GROWTH = 8  # for a longer one, decoding is tried again when it has grown by this fraction


def documents(chunks: Iterable[bytes]) -> Iterator[object]:
    """Decode a stream of JSON documents in arbitrary chunks.

    Engines end each document with a line break. What follows the last line break is kept as bytes, since UTF-8
    may be cut anywhere.

    Raises:
        EngineLostError: the stream is not JSON, or ends inside a document, or one is longer than any sensible one.
    """
    decoder = json.JSONDecoder()
    text = ""
    pending = bytearray()
    wanted = 0  # bytes that must have arrived before a long document is tried again: otherwise the time would grow with its square
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        kept = len(pending) + end
        pending += chunk
        if end and kept >= wanted:
            text = yield from _whole(decoder, text + pending[:kept].decode(errors="replace"))
            del pending[:kept]
            wanted = len(text) // _GROWTH if len(text) > _SHORT else 0
        if len(text) + len(pending) > DOCUMENT_CHARACTERS:
            raise _no_json(text or pending[:80].decode(errors="replace"))
    text = yield from _whole(decoder, text + pending.decode(errors="replace"))
    if text:
        raise EngineLostError(f"the engine's answer broke off: {text[:80]!r}")


def _whole(decoder: json.JSONDecoder, text: str) -> Generator[object, None, str]:
    """Yield the complete documents at the start of ``text``; return the rest."""
    at = 0
    while (at := _SPACE.match(text, at).end()) < len(text):  # type: ignore[union-attr]  # it matches anywhere
        try:
            document, at = decoder.raw_decode(text, at)
        except RecursionError:
            raise _no_json(text[at:]) from None
        except ValueError:
            if text[at] not in "{[":  # anything else is whole at the end of its line
                raise _no_json(text[at:]) from None
            return text[at:]
        yield document
    return ""


def _no_json(text: str) -> EngineLostError:
    return EngineLostError(f"the engine's answer is not JSON: {text[:80]!r}")
