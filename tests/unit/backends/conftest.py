"""Fixtures of the backends' tests."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.unit.backends.server import Peer, Server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Protocol

    class Serve(Protocol):
        """Starts a `Server`, which is closed after the test."""

        def __call__(
            self, *scripts: Callable[[Peer], object], tls: ssl.SSLContext | None = None
        ) -> Server: ...


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without cached facts about engines."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:

        def start(*scripts: Callable[[Peer], object], tls: ssl.SSLContext | None = None) -> Server:
            return stack.enter_context(Server(*scripts, tls=tls))

        yield start
