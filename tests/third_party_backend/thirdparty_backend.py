"""A backend that is not part of Buildr: its guests print what they were asked to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.testing import FakeBackend, FakeContainer

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Target

broken = "not a function"


def connect(target: Target) -> Backend:  # noqa: ARG001 - the signature is the protocol's
    """Connect to the engine, one for the whole process."""
    return _engine


def fails(target: Target) -> Backend:
    """Fail in a way that no backend should."""
    raise ZeroDivisionError(f"no engine at {target.endpoint}")


def _guest(container: FakeContainer) -> int:
    container.stdout.write(" ".join(container.argv).encode() + b"\n")
    return 7


_engine = FakeBackend(_guest, name="thirdparty")
