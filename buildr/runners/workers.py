"""Calls of single functions on a local engine: reusable containers of one image, with one watchdog."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Self

from msgspec import Struct
from msgspec.structs import replace

from buildr.errors import ContainerError, ImageNotFoundError
from buildr.host import temporary
from buildr.host.exit_status import occupy_standard_streams
from buildr.layout import CALL
from buildr.run.loop import RunRequest, run
from buildr.runners.container import container_spec, with_interpreter_options
from buildr.runners.pipes import PLACE
from buildr.runners.session import EngineSession
from buildr.runners.single_call import run_call
from buildr.runners.worker_pool import WorkerPool
from buildr.runners.written_files import collector

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.image.lookup import Ready
    from buildr.options import Runtime
    from buildr.run.watchdog import Watchdog
    from buildr.runners.pipes import Pipes
    from buildr.runners.plan import RunPlan
    from buildr.runners.protocol import Answer, WorkerCall
    from buildr.runners.worker import Worker

_preparing = threading.Lock()  # parallel builds of one project would be the same build


class _Prepared(Struct, frozen=True):
    """The prepared resources that calls share."""

    session: EngineSession
    ready: Ready
    spec: ContainerSpec


class EngineWorkers:
    """See `buildr.runners.protocol.Workers`.

    Args:
        plan: the plan of the calls.
    """

    def __init__(self, plan: RunPlan) -> None:
        settings = plan.settings
        runtime = replace(settings.runtime, debug=None)  # only for whole scripts
        self._plan = replace(plan, settings=replace(settings, runtime=runtime))
        self._lock = threading.Lock()
        self._prepared: _Prepared | None = None
        self._failure: Exception | None = None
        self._stack = contextlib.ExitStack()
        self._mounts = True
        self._watchdog: Watchdog | None = None
        self._pool = WorkerPool(self._run_worker, runtime.grace_seconds)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers, and close the connections to the engine."""
        self._pool.close()
        self._stack.close()

    def prepare(self) -> str:
        """See `buildr.runners.protocol.Workers.prepare`."""
        prepared = self._ready()
        project, entry = prepared.session.project, self._plan.entry
        path = "" if entry is None or entry.kind == "module" else project.placement.command[-1]
        if project.dockerfile is not None and path:
            # In a user's own image, its command names the script, if anything does.
            same = [word for word in prepared.spec.command if _leaf(word) == _leaf(path)]
            return same[0] if same else path
        return path

    def run(self, call: WorkerCall) -> Answer:
        """See `buildr.runners.protocol.Workers.run`."""
        prepared = self._ready()
        try:
            return self._run(call, prepared)
        except ContainerError as error:
            # A local engine with other files: in a container, or of Docker Desktop.
            if temporary.PREFIX not in str(error):
                raise
            self._mounts = False
        except ImageNotFoundError:  # images were removed between the build and the start
            with self._lock:
                if self._prepared is prepared:
                    self._prepared = self._with_image(prepared.session, trust=False)
        return self._run(call, self._ready())

    def trim(self, seconds: float) -> float | None:
        """See `buildr.runners.protocol.Workers.trim`."""
        return self._pool.trim(seconds)

    def give_up(self) -> None:
        """See `buildr.runners.protocol.Workers.give_up`; the watchdog does it."""
        if self._watchdog is not None:
            self._watchdog.__exit__(KeyboardInterrupt, None, None)

    def _ready(self) -> _Prepared:
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._prepared is None:
                try:
                    self._prepared = self._prepare()
                except Exception as error:
                    self._failure = error
                    raise
            return self._prepared

    def _prepare(self) -> _Prepared:
        occupy_standard_streams()
        session = self._stack.enter_context(EngineSession(self._plan))
        self._mounts = not session.backend.info.remote
        prepared = self._with_image(session, trust=True)
        self._stack.enter_context(session.housekeeping(prepared.ready))
        self._watchdog = self._stack.enter_context(session.watchdog(prepared.spec))
        return prepared

    def _with_image(self, session: EngineSession, *, trust: bool) -> _Prepared:
        with _preparing:
            ready = session.make_ready(trust=trust)
        spec = container_spec(session, ready, tty=False)
        if self._prepared is not None:  # the watchdog finds the calls by their label
            spec = replace(spec, labels=self._prepared.spec.labels)
        return _Prepared(session, ready, replace(spec, stdin=False, health=None))

    def _run(self, call: WorkerCall, prepared: _Prepared) -> Answer:
        if self._mounts:
            return self._pool.run(call, keep=_may_stay(self._plan.runtime))
        session, files = prepared.session, prepared.ready.files
        return run_call(call, session, prepared.spec, files, self._watchdog)

    def _run_worker(self, worker: Worker, pipes: Pipes) -> None:
        """Run the container of a worker to its end."""
        prepared = self._ready()
        session, collect = prepared.session, collector(prepared.session)
        spec = replace(pipes.into(prepared.spec), command=("python", "-u", CALL, PLACE))
        spec = with_interpreter_options(spec, session)

        def on_start(container: str) -> None:
            session.report_ports(container, spec)

        def on_end(container: str, ended_with: int) -> None:
            worker.note_end(ended_with)
            if collect is not None:
                collect(container, ended_with)

        request = RunRequest(files=prepared.ready.files, on_start=on_start, on_end=on_end)
        run(session.backend, spec, worker.signals, request, watchdog=self._watchdog)


def _may_stay(runtime: Runtime) -> bool:
    """Whether workers stay for further calls.

    Not if they hold what others need: a name, a port, or outputs for the project.
    """
    only_one = runtime.name is not None or any(port.host for port in runtime.ports)
    return not (runtime.call_fresh or runtime.outputs or only_one)


def _leaf(path: str) -> str:
    return path.rpartition("/")[2]
