"""The workers of one image: started on demand, used by one call at a time, ended when idle."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from buildr.runners.protocol import Answer
from buildr.runners.worker import Worker

if TYPE_CHECKING:
    from buildr.host.cancellation import Cancellation
    from buildr.runners.protocol import WorkerCall
    from buildr.runners.worker import RunContainer


class WorkerPool:
    """As many workers as concurrent calls; ended ones are replaced on demand.

    Args:
        run_container: see `buildr.runners.worker.Worker`.
        grace_seconds: see `buildr.runners.worker.Worker`.
    """

    def __init__(self, run_container: RunContainer, grace_seconds: float) -> None:
        self._run_container = run_container
        self._grace_seconds = grace_seconds
        self._changed = threading.Condition()
        self._waiting = 0  # calls
        self._all: set[Worker] = set()
        self._starting: list[Worker] = []
        self._failed: list[
            Worker
        ] = []  # workers that ended before they were ready: a call reports why
        self._idle: list[Worker] = []  # the last used worker is at the end

    def run(self, call: WorkerCall, *, keep: bool) -> Answer:
        """Run a call.

        Args:
            call: the call.
            keep: whether to share a worker with other calls; otherwise it gets its own.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        worker = self._take(call.cancellation) if keep else self._start_alone(call.cancellation)
        if worker is None:
            return Answer(status=0, message=b"")
        try:
            answer = worker.answer(call)
        except BaseException:
            worker.stop()
            worker.join()
            raise
        if keep and self._put_back(worker):
            return answer
        worker.finish()
        if call.cancellation.asked or not keep:
            worker.join()
        return answer if keep else worker.ended_with(answer)

    def trim(self, seconds: float) -> float | None:
        """See `buildr.runners.protocol.Workers.trim`."""
        now = time.monotonic()
        with self._changed:
            due = [worker for worker in self._idle if worker.idle_since + seconds <= now]
            self._idle = [worker for worker in self._idle if worker not in due]
            left = [seconds for _ in self._starting]
            left += [worker.idle_since + seconds - now for worker in self._idle]
        for worker in due:
            worker.finish()
        return min(left, default=None)

    def close(self) -> None:
        """End all workers, and wait until they have ended."""
        with self._changed:
            workers = tuple(self._all)
            self._idle.clear()
        for worker in workers:
            worker.finish()
        for worker in workers:
            worker.join()

    def _take(self, cancellation: Cancellation) -> Worker | None:
        """Wait for a worker; ``None`` if the call is no longer wanted."""
        with cancellation.telling(self._wake), self._changed:
            self._waiting += 1
            try:
                while not cancellation.asked:
                    if self._failed:
                        return self._failed.pop()
                    while self._idle:
                        worker = self._idle.pop()
                        if worker.is_usable:
                            return worker
                    if len(self._starting) < self._waiting:
                        self._starting.append(self._start())
                    self._changed.wait()
            finally:
                self._waiting -= 1
            surplus = self._starting.pop() if len(self._starting) > self._waiting else None
        if surplus is not None:
            with cancellation.telling(surplus.stop):
                surplus.finish()
                surplus.join()
        return None

    def _start_alone(self, cancellation: Cancellation) -> Worker | None:
        if cancellation.asked:
            return None
        worker = self._start()
        with cancellation.telling(worker.stop):
            worker.settled.wait()
        return worker

    def _start(self) -> Worker:
        worker = Worker(
            self._run_container,
            self._grace_seconds,
            on_ready=self._on_ready,
            on_end=self._on_end,
        )
        worker.start()
        with self._changed:
            self._all.add(worker)
        return worker

    def _put_back(self, worker: Worker) -> bool:
        """Give a worker to the next call; return whether it accepts it."""
        with self._changed:
            if worker.is_usable:
                worker.idle_since = time.monotonic()
                self._idle.append(worker)
                self._changed.notify()
            return worker.is_usable

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _on_ready(self, worker: Worker) -> None:
        with self._changed:
            if worker in self._starting:
                self._starting.remove(worker)
                worker.idle_since = time.monotonic()
                self._idle.append(worker)
                self._changed.notify()

    def _on_end(self, worker: Worker) -> None:
        with self._changed:
            self._all.discard(worker)
            if worker in self._idle:
                self._idle.remove(worker)
            if worker in self._starting:
                self._starting.remove(worker)
                if self._waiting:
                    self._failed.append(worker)
            self._changed.notify_all()
