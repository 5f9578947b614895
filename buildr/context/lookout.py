"""Searches files for secret values while an archive is written, since everything is read then anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.context.entries import printable
from buildr.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Lookout"]


class Lookout:
    """Looks for the values of secrets.

    Args:
        words: the values, each with the name of its secret.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = [
            (word.encode(errors="surrogateescape"), name) for word, name in words.items()
        ]
        self._overlap = max((len(word) for word, _ in self._words), default=1) - 1

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._words)

    def look(self, path: str, data: bytes, before: bytes = b"") -> bytes:
        """Search a file, or a piece of one.

        Args:
            path: the file, for the message.
            data: the piece.
            before: the result of the call for the previous piece.

        Returns:
            The argument for the next call.

        Raises:
            ContextError: it contains a secret value.
        """
        data = before + data
        for word, name in self._words:
            if word in data:
                raise ContextError(
                    f"{printable(path)} has the value of the secret {name} in it, so nothing of it was stored",
                    hint="Take the value out of the file, or leave the file out: add it to the ignore file.",
                )
        return data[-self._overlap :] if self._overlap else b""
