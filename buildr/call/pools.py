"""The workers that stay after a call: a pool for each decorated function and its options, until it has been idle for long.

A pool has the project as it was when the pool was made. It ends, too, when the interpreter does; when this process is killed, its
watchdog sees to that. A child that this process forks has none of them.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from buildr.call.turns import Turns, at_a_time
from buildr.errors import BuildrError
from buildr.host.signals import block_signals
from buildr.runners.plan import plan_run
from buildr.runners.registry import call_runner

if TYPE_CHECKING:
    from buildr.call.callee import Callee
    from buildr.call.target import Target
    from buildr.config import Settings
    from buildr.options import Runtime
    from buildr.runners.protocol import Workers


class Pool:
    """The workers of one function.

    Args:
        owner: by which the function is known: what all that stand for it share.
        key: by which it is known that other calls may use them.
        workers: themselves.
        keep_seconds: how long one may be idle.
        concurrency: how many calls run at a time that share turns.

    Attributes:
        turns: the threads of calls that share turns.
        users: how many have acquired it.
        replaced: whether no more calls come.
    """

    def __init__(
        self,
        owner: object,
        key: object,
        workers: Workers,
        *,
        keep_seconds: float,
        concurrency: int,
    ) -> None:
        self.owner = owner
        self.key = key
        self.workers = workers
        self.keep_seconds = keep_seconds
        self.turns = Turns(concurrency)
        self.users = 0
        self.replaced = False

    def look(self) -> float | None:
        """End the workers that have been idle for long; return in how many seconds to look again, ``None`` if it is over."""
        left = None if self.replaced else self.workers.trim(self.keep_seconds)
        if left is None and not self.users:
            return None
        return max(self.keep_seconds if left is None else left, _LEAST_SECONDS)


_LEAST_SECONDS = 0.05  # between two looks
_changed = threading.Condition()
_pools: list[Pool] = []
_registered: list[int] = []  # the processes that look for idle pools


def acquire(callee: Callee, target: Target, settings: Settings) -> Pool:
    """Return the workers of a function, which must be released; made if there are none for these options.

    Raises:
        BuildrError: see `buildr.runners.plan.plan_run`.
    """
    owner, key = callee.running, _key(target, settings)
    with _changed:
        found = [pool for pool in _pools if pool.owner is owner and pool.key == key]
        pool = found[0] if found else None
        if pool is None:
            plan = plan_run(target.entry, settings)
            workers = call_runner(plan.choices.runner).open_workers(plan)
            pool = Pool(
                owner,
                key,
                workers,
                keep_seconds=settings.runtime.call_keep_seconds,
                concurrency=at_a_time(settings.runtime, None),
            )
            _pools.append(pool)
            _register()
        pool.users += 1
        over = [other for other in _pools if _is_replaced(other, pool)]
        for other in over:
            _pools.remove(other)
    for other in over:
        _close(other)
    return pool


def release(pool: Pool) -> None:
    """Note that these calls are no longer waited for; the workers stay for others, as long as they may."""
    with _changed:
        pool.users -= 1
        over = not pool.users and pool.look() is None
        if over and pool in _pools:
            _pools.remove(pool)
        _changed.notify_all()
    if over:
        pool.turns.close()
        pool.workers.__exit__(None, None, None)


def discard(pool: Pool | None) -> None:
    """Use it for no further call: it could not be made ready, or has been given up."""
    with _changed:
        if pool in _pools:
            _pools.remove(pool)
        if pool is not None:
            pool.replaced = True


def end_idle() -> None:
    """End all workers that are idle; without waiting for their end."""
    with _changed:
        for pool in _pools:
            pool.workers.trim(0)


def close_all() -> None:
    """End all workers, and wait until they have ended."""
    with _changed:
        pools = tuple(_pools)
        _pools.clear()
        _changed.notify_all()
    for pool in pools:
        _close(pool)


def _close(pool: Pool) -> None:
    with contextlib.suppress(
        BuildrError
    ):  # it has no caller to be reported to, and the other workers have to be ended
        pool.workers.__exit__(None, None, None)


def _is_replaced(other: Pool, pool: Pool) -> bool:
    return other is not pool and other.owner is pool.owner and not other.users


def _key(target: Target, settings: Settings) -> tuple[Any, ...]:
    """Return what calls must have in common to use the same workers."""
    runtime = settings.runtime
    # The values of this process's variables that the guest gets; and a file that was edited is another one.
    handed_on = {name: os.environ.get(name) for name, value in runtime.env.items() if value is None}
    return (
        (target.module, target.name, target.of_class),
        (target.entry, _stamp(target.entry.source)),
        replace(settings, runtime=_without_calls(runtime)),
        (handed_on, os.environ.get("BUILDR_BACKEND")),
    )


def _without_calls(runtime: Runtime) -> Runtime:
    """Return options without those that each call can have for itself."""
    return replace(runtime, call_timeout=None, call_limit=0, call_format="json")


def _stamp(path: str | None) -> tuple[int, int] | None:
    try:
        found = os.stat(path or "")
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _register() -> None:
    """Let somebody look for idle pools, in this process."""
    if os.getpid() in _registered:
        return
    if not _registered:
        atexit.register(close_all)
        os.register_at_fork(after_in_child=_forget)
    _registered.append(os.getpid())
    threading.Thread(target=_look_for_idle, name="buildr-idle", daemon=True).start()


def _forget() -> None:
    global _changed  # noqa: PLW0603 - another thread of the parent may hold it
    _changed = threading.Condition()
    _pools.clear()


def _look_for_idle() -> None:
    block_signals()
    due = 0.0
    while True:
        over = []
        with _changed:
            _changed.wait(max(due - time.monotonic(), 0) if due else None)
            looks: dict[Pool, float | None] = {pool: pool.look() for pool in _pools}
            over = [pool for pool, left in looks.items() if left is None]
            for pool in over:
                _pools.remove(pool)
            left = min((left for left in looks.values() if left is not None), default=None)
            due = 0.0 if left is None else time.monotonic() + left
        for pool in over:
            _close(pool)
