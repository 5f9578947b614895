"""The runner that uses a local engine: Podman, Docker, or another backend.

`run` runs scripts; `open_workers` provides containers for calls of single functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.errors import BuildError, ImageNotFoundError, StartError
from buildr.run.keep import to_be_kept, ways_in
from buildr.run.loop import RunRequest
from buildr.run.loop import run as run_container
from buildr.runners.container import container_spec, with_interpreter_options
from buildr.runners.session import EngineSession
from buildr.runners.written_files import collector, reporting_lost_files

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.host.signals import Signals
    from buildr.image.lookup import Ready
    from buildr.run.watchdog import Watchdog
    from buildr.runners.plan import RunPlan
    from buildr.runners.protocol import Workers

__all__ = ["open_workers", "run"]

_UNCAUGHT = 1  # the exit status of Python after an exception, such as a missing module or file


def run(plan: RunPlan, signals: Signals) -> int:
    """See `buildr.runners.protocol.Runner.run`."""
    runtime = plan.runtime
    signals.interrupt_status = runtime.interrupt_status
    if runtime.restart != "no" or runtime.wait_for:
        from buildr.run.detach import refuse_followed

        refuse_followed(runtime)
    try:
        return _run_plan(plan, signals)
    except (BuildError, StartError) as error:
        from buildr.runners.fallback import on_another_engine

        another = on_another_engine(plan, error)
        if another is None:
            raise
        signals.release()
    return _run_plan(another, signals)


def _run_plan(plan: RunPlan, signals: Signals) -> int:
    runtime = plan.runtime
    with EngineSession(plan) as session:
        if runtime.wait_for:
            from buildr.run.readiness import refuse_unreachable

            refuse_unreachable(session.backend, runtime)
        prepared = _prepare(session, trust=True)
        try:
            return _run(session, *prepared, signals)
        except ImageNotFoundError:  # images were removed between the build and the start
            signals.release()
        return _run(session, *_prepare(session, trust=False), signals)


def open_workers(plan: RunPlan) -> Workers:
    """See `buildr.runners.protocol.CallRunner.open_workers`."""
    from buildr.runners.workers import EngineWorkers

    return EngineWorkers(plan)


def _prepare(session: EngineSession, *, trust: bool) -> tuple[ContainerSpec, Ready]:
    """Return the container and its image."""
    runtime = session.runtime
    ready = session.make_ready(trust=trust)
    spec = container_spec(session, ready, tty=False if runtime.detach else None)
    if session.plan.command:
        spec = replace(spec, command=session.plan.command)
    if runtime.keep:
        spec = to_be_kept(spec)
    if runtime.detach:
        from buildr.run.detach import to_be_detached

        spec = to_be_detached(spec, runtime.restart)
    if runtime.debug is not None:
        from buildr.plan.debugger import to_be_debugged

        spec = to_be_debugged(spec, runtime.debug, routed=session.backend.info.routed)
    if not session.plan.command:
        spec = reporting_lost_files(with_interpreter_options(spec, session), session)
    return spec, ready


def _run(session: EngineSession, spec: ContainerSpec, ready: Ready, signals: Signals) -> int:
    backend, runtime = session.backend, session.runtime
    watchdog = session.watchdog(spec)
    if runtime.detach:
        return _detach(session, spec, ready, signals, watchdog)
    with session.housekeeping(ready), watchdog:

        def on_start(container: str) -> None:
            _report_start(session, container, spec)

        def on_kept(container: str, status: int) -> None:
            session.say(ways_in(backend, container, spec, status))

        status = run_container(
            backend,
            spec,
            signals,
            RunRequest(
                files=ready.files,
                interrupt_to_guest=runtime.interrupt == "guest",
                on_start=on_start,
                on_end=collector(session),
                on_kept=on_kept if runtime.keep else None,
            ),
            watchdog=watchdog,
        )
        failed = status == _UNCAUGHT and not signals.interrupts
        if failed and not (ready.is_new or session.plan.command):
            session.repeat_notes()
        return status


def _detach(
    session: EngineSession,
    spec: ContainerSpec,
    ready: Ready,
    signals: Signals,
    watchdog: Watchdog,
) -> int:
    from buildr.run.detach import start, ways_on

    def on_start(container: str) -> None:
        _report_start(session, container, spec)
        if session.runtime.wait_for:
            from buildr.run.readiness import wait_until_ready

            wait_until_ready(session.backend, container, session.runtime, signals)
        if not signals.asked_to_end:
            session.say(ways_on(spec))

    with session.housekeeping(ready), watchdog:  # only until the id of the run is printed
        start(
            session.backend,
            spec,
            signals,
            files=ready.files,
            on_start=on_start,
            watchdog=watchdog,
        )
    return 0


def _report_start(session: EngineSession, container: str, spec: ContainerSpec) -> None:
    """Print how to reach a container that has just been started."""
    if session.runtime.debug is not None:
        from buildr.plan.debugger import way_in

        session.say(way_in(session.project, session.runtime.debug))
    session.report_ports(container, spec)
