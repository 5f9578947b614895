"""The engines of a command: the named one, or every one that answers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from buildr.cli.command import option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.engines.protocol import Backend

engines_option = (
    option(
        "--backend",
        metavar="NAME",
        help="podman, docker or auto.  [default: $BUILDR_BACKEND, else every engine that answers]",
    ),
)


@contextlib.contextmanager
def reached(flag: str | None) -> Iterator[list[Backend]]:
    """Connect to them; close them afterwards.

    Raises:
        BackendError: there is no engine, or the named one does not answer.
    """
    from buildr.engines import registry
    from buildr.host import console

    with contextlib.ExitStack() as stack:
        backends = registry.reach(registry.choose(flag=flag), console.say)
        for backend in backends:
            stack.callback(backend.close)
        yield backends
