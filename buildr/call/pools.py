"""Workers that stay after a call: a pool for each decorated function and its options, until it has been idle for some time.

A pool has the state of the project when it was created. It ends with the interpreter; if this process is killed, its
watchdog ends the pool. A forked child has no pools.
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
        owner: the identity of the function, shared by all objects that stand for it.
        key: calls with the same key can share the workers.
        workers: the workers.
        keep_seconds: how long a worker may be idle.
        concurrency: the number of concurrent calls that share turns.

    Attributes:
        turns: the threads of calls that share turns.
        users: how many sessions have acquired it.
        replaced: whether no more calls will use it.
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
        """End workers that have been idle for too long; return the seconds until the next check, ``None`` if none is left."""
        left = None if self.replaced else self.workers.trim(self.keep_seconds)
        if left is None and not self.users:
            return None
        return max(self.keep_seconds if left is None else left, _LEAST_SECONDS)


_LEAST_SECONDS = 0.05  # between two checks
_changed = threading.Condition()
_pools: list[Pool] = []
_registered: list[int] = []  # the processes that check for idle pools


def acquire(callee: Callee, target: Target, settings: Settings) -> Pool:
    """Return the workers of a function, created if necessary. They must be released.

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
    """Note that these calls are over; the workers stay for others."""
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
    """Use it for no further call, since it failed to start or was abandoned."""
    with _changed:
        if pool in _pools:
            _pools.remove(pool)
        if pool is not None:
            pool.replaced = True


def end_idle() -> None:
    """End all idle workers, without waiting."""
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
    ):  # there is no caller to report it to, and other workers must still be ended
        pool.workers.__exit__(None, None, None)


def _is_replaced(other: Pool, pool: Pool) -> bool:
    return other is not pool and other.owner is pool.owner and not other.users


def _key(target: Target, settings: Settings) -> tuple[Any, ...]:
    """Return what calls must have in common to use the same workers."""
    runtime = settings.runtime
    # The values of variables that the guest gets from this process; and an edited file makes another key.
    handed_on = {name: os.environ.get(name) for name, value in runtime.env.items() if value is None}
    return (
        (target.module, target.name, target.of_class),
        (target.entry, _stamp(target.entry.source)),
        replace(settings, runtime=_without_calls(runtime)),
        (handed_on, os.environ.get("BUILDR_BACKEND")),
    )


def _without_calls(runtime: Runtime) -> Runtime:
    """Return the options without those that can differ between calls."""
    return replace(runtime, call_timeout=None, call_limit=0, call_format="json")


def _stamp(path: str | None) -> tuple[int, int] | None:
    try:
        found = os.stat(path or "")
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _register() -> None:
    """Start the check for idle pools in this process."""
    if os.getpid() in _registered:
        return
    if not _registered:
        atexit.register(close_all)
        os.register_at_fork(after_in_child=_forget)
    _registered.append(os.getpid())
    threading.Thread(target=_look_for_idle, name="buildr-idle", daemon=True).start()


def _forget() -> None:
    global _changed  # noqa: PLW0603 - another thread of the parent may hold the lock
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
