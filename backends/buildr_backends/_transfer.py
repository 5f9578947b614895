"""Pulls and pushes: reading the progress of either engine, and turning a refusal into an error that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.backend import Event
from buildr.errors import ImageNotFoundError, PushError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.backend import OnEvent


def follow_pull(reference: str, documents: Iterable[object], on_event: OnEvent) -> None:
    """Follow a pull to its end.

    Raises:
        ImageNotFoundError: the engine's stream holds an error.
    """
    for document in documents:
        if failure := _failure(document):
            raise pull_error(reference, failure)
        _progress(document, on_event)


def follow_push(reference: str, documents: Iterable[object], on_event: OnEvent) -> str:
    """Follow a push to its end; return the digest in the registry, or an empty text.

    Raises:
        PushError: the engine's stream holds an error.
    """
    digest = ""
    for document in documents:
        if failure := _failure(document):
            raise push_error(reference, failure)
        if isinstance(document, dict):
            aux = document.get("aux") or {}
            digest = aux.get("Digest") or document.get("manifestdigest") or digest
        _progress(document, on_event)
    return digest


def pull_error(reference: str, failure: str) -> ImageNotFoundError:
    """Say that an image cannot be pulled."""
    return ImageNotFoundError(
        f"the image {reference} is not stored here and cannot be pulled: {_one_line(failure)}",
        hint="Is the name right, and the registry reachable? For a private one, log in first"
        f" (podman login or docker login {reference.partition('/')[0]})."
        "\nAnother base: base_image=… in package, or BUILDR_BASE_IMAGE=….",
    )


def push_error(reference: str, failure: str) -> PushError:
    """Say that an image cannot be pushed."""
    registry = reference.partition("/")[0]
    return PushError(
        f"the image cannot be pushed to {reference}: {_one_line(failure)}",
        hint=f"Is the registry right and reachable? If it asks who you are: podman login {registry}"
        f" or docker login {registry}.",
    )


def _failure(document: object) -> str:
    if not isinstance(document, dict):
        return ""
    answer: dict[str, Any] = document
    detail = answer.get("errorDetail") or {}
    return str(detail.get("message") or answer.get("error") or "")


def _progress(document: object, on_event: OnEvent) -> None:
    if not isinstance(document, dict):
        return
    detail = document.get("progressDetail") or {}
    text = str(document.get("status") or document.get("stream") or "").strip()
    if text:
        layer = document.get("id")
        on_event(
            Event(
                kind="transfer",
                text=f"{layer}: {text}" if layer else text,
                current=int(detail.get("current") or 0),
                total=int(detail.get("total") or 0),
            )
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())
