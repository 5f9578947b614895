"""Pulls and pushes: reading the progress of either engine, and turning a refusal into a helpful error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildr.engines.records import Event
from buildr.errors import ImageNotFoundError, Message, OptionName, PushError
from buildr_backends.http.refusal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.engines.records import OnEvent


def follow_pull(reference: str, documents: Iterable[object], on_event: OnEvent) -> None:
    """Follow a pull to its end.

    Raises:
        ImageNotFoundError: the engine's stream holds an error.
    """
    for document in documents:
        if failure := failure_of(document):
            raise pull_error(reference, failure)
        _progress(document, on_event)


def follow_push(reference: str, documents: Iterable[object], on_event: OnEvent) -> str:
    """Follow a push to its end; return the digest in the registry, or an empty text.

    Raises:
        PushError: the engine's stream holds an error.
    """
    digest = ""
    for document in documents:
        if failure := failure_of(document):
            raise push_error(reference, failure)
        digest = (
            text_of(document, "aux", "Digest")
            or text_of(document, "manifestdigest")
            or _shown_digest(text_of(document, "status"))
            or digest
        )
        _progress(document, on_event)
    return digest


def _shown_digest(status: str) -> str:
    """Return the digest from Docker's progress line; with containerd's store it is nowhere else."""
    match = re.fullmatch(r"\S+: digest: (sha256:[0-9a-f]{64}) size: \d+", status)
    return match[1] if match else ""


def pull_error(reference: str, failure: str) -> ImageNotFoundError:
    """Say that an image cannot be pulled."""
    return ImageNotFoundError(
        f"the image {reference} cannot be pulled: {_one_line(failure)}",
        hint=Message(
            "Is the name right, and the registry reachable? For a private one, log in first"
            f" (podman login or docker login {reference.partition('/')[0]}).\nAnother base: ",
            OptionName("package.base_image"),
            ", or BUILDR_BASE_IMAGE=…;",
            " `buildr base` makes one without a registry.",
        ),
    )


def push_error(reference: str, failure: str) -> PushError:
    """Say that an image cannot be pushed."""
    registry = reference.partition("/")[0]
    return PushError(
        f"the image cannot be pushed to {reference}: {_one_line(failure)}",
        hint=f"Is the registry right and reachable? If it requires a login: podman login {registry}"
        f" or docker login {registry}.",
    )


def failure_of(document: object) -> str:
    """Return the error in a document of an engine's stream, or an empty text."""
    return text_of(document, "errorDetail", "message") or text_of(document, "error")


def text_of(document: object, *path: str) -> str:
    """Return the text at a path in a document; empty if there is none."""
    found = _at(document, *path)
    return found if isinstance(found, str) else ""


def _at(document: object, *path: str) -> object:
    for key in path:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _progress(document: object, on_event: OnEvent) -> None:
    text = (text_of(document, "status") or text_of(document, "stream")).strip()
    if text:
        layer = text_of(document, "id")
        on_event(
            Event(
                kind="transfer",
                text=f"{layer}: {text}" if layer else text,
                current=_bytes_of(document, "current"),
                total=_bytes_of(document, "total"),
            )
        )


def _bytes_of(document: object, key: str) -> int:
    found = _at(document, "progressDetail", key)
    return found if isinstance(found, int) else 0


def _one_line(text: str) -> str:
    return " ".join(shortened(text).split())
