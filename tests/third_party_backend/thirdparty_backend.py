"""A backend that is not part of Buildr: its guests tell what they were asked to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.testing import FakeBackend, FakeContainer

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Target

broken = "no function"


def connect(target: Target) -> Backend:
    """Reach the engine."""
    return FakeBackend(_guest, name=f"thirdparty at {target.endpoint}")


def _guest(container: FakeContainer) -> int:
    container.stdout.write(" ".join(container.argv).encode() + b"\n")
    return 7
