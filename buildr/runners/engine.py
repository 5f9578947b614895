"""Running a script in a container, from its options to its exit status: what the decorator and ``buildr run`` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr import labels
from buildr.errors import ImageNotFoundError
from buildr.host.addresses import in_address
from buildr.leftovers import housework, sweeping
from buildr.leftovers.old_images import old_images
from buildr.run.keep import to_be_kept, ways_in
from buildr.run.loop import run
from buildr.run.watchdog import Watchdog
from buildr.runners.container import container_spec
from buildr.runners.session import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.containers import Containers
    from buildr.host.signals import Signals
    from buildr.image.ensure import Ready
    from buildr.options import Package, Runtime
    from buildr.plan.entry import Entry


def run_entry(
    entry: Entry,
    package: Package,
    runtime: Runtime,
    signals: Signals,
    *,
    flag: str | None = None,
    builder_flag: str | None = None,
    origins: Mapping[str, str] | None = None,
    command: tuple[str, ...] = (),
) -> int:
    """Build if need be, publish if asked for, and run; return the guest's exit status.

    Args:
        entry: the program.
        package: validated options.
        runtime: validated options.
        signals: the handlers in force.
        flag: the backend named on the command line.
        builder_flag: the one named there to build.
        origins: where options stand, by ``package.builder``; others are the decorator's.
        command: what runs in the place of the program; empty: the program.

    Raises:
        BuildrError: of any kind; see `buildr.errors`.
    """
    if runtime.restart != "no" or runtime.wait_for:
        from buildr.run.detach import refuse_followed

        refuse_followed(runtime)
    with Engine(
        entry, package, runtime, flag=flag, builder_flag=builder_flag, origins=origins
    ) as engine:
        if runtime.wait_for:
            from buildr.run.readiness import refuse_unreachable

            refuse_unreachable(engine.backend, runtime)

        def prepare(*, trust: bool) -> tuple[ContainerSpec, Ready]:
            ready = engine.make_ready(trust=trust)
            tty = False if runtime.detach else None
            spec = container_spec(engine.backend, engine.project, ready, entry, runtime, tty=tty)
            if command:
                spec = replace(spec, command=command)
            if runtime.keep:
                spec = to_be_kept(spec)
            if runtime.detach:
                from buildr.run.detach import to_be_detached

                spec = to_be_detached(spec, runtime.restart)
            if runtime.debug is not None:
                from buildr.plan.debugger import to_be_debugged

                spec = to_be_debugged(spec, runtime.debug)
            return spec, ready

        prepared = prepare(trust=True)
        try:
            return _run(engine, *prepared, signals)
        except ImageNotFoundError:  # somebody's clean-up of images came between
            signals.release()
        return _run(engine, *prepare(trust=False), signals)


def watchdog_for(engine: Engine, spec: ContainerSpec) -> Watchdog:
    """Return the watchdog of a run, not yet started."""
    info = engine.backend.info
    run_id = spec.labels[labels.RUN]
    return Watchdog(info.backend, info.endpoint, run_id, engine.runtime.grace_seconds)


def housekeeping(engine: Engine, ready: Ready) -> AbstractContextManager[None]:
    """Return what begins to clear up when a run has ended.

    Args:
        engine: where it runs.
        ready: what it is made of.
    """
    info = engine.backend.info
    if ready.is_new:
        housework.note(info, old_images(engine.project, ready.image))
    return sweeping.afterwards(info)


def _run(engine: Engine, spec: ContainerSpec, ready: Ready, signals: Signals) -> int:
    backend = engine.backend
    watchdog = watchdog_for(engine, spec)
    if engine.runtime.detach:
        return _detach(engine, spec, ready, signals, watchdog)
    with housekeeping(engine, ready), watchdog:

        def on_start(container: str) -> None:
            _tell(engine, container, spec)

        def on_kept(container: str, status: int) -> None:
            engine.say(ways_in(backend, container, spec, status))

        return run(
            backend,
            spec,
            signals,
            files=ready.files,
            interrupt_to_guest=engine.runtime.interrupt == "guest",
            on_start=on_start,
            on_kept=on_kept if engine.runtime.keep else None,
            watchdog=watchdog,
        )


def _detach(
    engine: Engine, spec: ContainerSpec, ready: Ready, signals: Signals, watchdog: Watchdog
) -> int:
    from buildr.run.detach import start, ways_on

    def on_start(container: str) -> None:
        _tell(engine, container, spec)
        if engine.runtime.wait_for:
            from buildr.run.readiness import wait_until_ready

            wait_until_ready(engine.backend, container, spec, engine.runtime, signals)
        if not signals.asked_to_end:
            engine.say(ways_on(spec))

    with housekeeping(engine, ready), watchdog:  # no longer than until the id of the run is told
        start(
            engine.backend,
            spec,
            signals,
            files=ready.files,
            on_start=on_start,
            watchdog=watchdog,
        )
    return 0


def _tell(engine: Engine, container: str, spec: ContainerSpec) -> None:
    """Say where a container that has just been started is reached."""
    if engine.runtime.debug is not None:
        from buildr.plan.debugger import way_in

        engine.say(way_in(engine.project, engine.runtime.debug))
    tell_ports(engine.backend, container, spec, engine.say)


def tell_ports(
    backend: Containers, container: str, spec: ContainerSpec, say: Callable[[str], None]
) -> None:
    """Say which host ports the engine chose; asked for only when it had to choose."""
    if not any(port.host == 0 for port in spec.ports):
        return
    state = backend.state(container)
    for port in state.ports if state else ():
        host = in_address(port.host_ip)
        say(f"port {port.container}/{port.protocol} of the guest is {host}:{port.host} here")
