"""Call mode: run one function in a container, with the caller's arguments, and return its result.

`target` finds the function, `session` the engine and the image; `invocation` is one call, `map` many; `result` reads the
outcome; `buildr.guest.call` is the guest's side. It may import `buildr.runners` and everything below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.call.callee import Callee, Cancelled
from buildr.call.session import Session

__all__ = ["Callee", "Cancelled", "call", "call_async"]

if TYPE_CHECKING:
    from collections.abc import Mapping


def call(callee: Callee, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a function in a container; return its result.

    Args:
        callee: the function.
        args: positional arguments.
        kwargs: named ones.

    Raises:
        BuildrError: of any kind; see `buildr.errors`.
        Exception: a built-in one that the function raised.
    """
    with Session(callee) as session:
        one = session.new(args, kwargs)
        session.prepare()
        try:
            one.start()
            return one.result()
        except BaseException:  # a signal handler may raise anywhere in between
            one.finish()
            raise


async def call_async(callee: Callee, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a coroutine function in a container, as `call` does, without blocking other tasks."""
    import asyncio

    session = Session(callee)
    try:
        one = session.new(args, kwargs)
        one.start()
        return await one.promised()
    finally:
        await asyncio.shield(asyncio.to_thread(session.close))
