"""Running a script in a container, from its options to its exit status: what the decorator and ``buildr run`` share."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr import console, identity, registry
from buildr.backend import PushRequest
from buildr.build_lock import killed
from buildr.cleanup import sweep
from buildr.container import container_spec, warn_of_limits, warn_of_network
from buildr.containerfile import APP
from buildr.errors import (
    BackendError,
    BuildrError,
    ImageNotFoundError,
    OptionError,
)
from buildr.image import Ready, collect, ensure_image, make_ready
from buildr.keep import to_be_kept, ways_in
from buildr.live import source_mounted
from buildr.progress import Progress
from buildr.project import plan
from buildr.run import run
from buildr.signals import Signals, Terminated, block_signals
from buildr.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from buildr.backend import Backend, ContainerSpec
    from buildr.entry import Entry
    from buildr.image import Growth
    from buildr.options import Package, Runtime
    from buildr.progress import Verbosity
    from buildr.project import Project

_CANCELLED = 0
_SWEEP_SECONDS = 5.0  # how long the end of a run waits for the removal of what others left
_FORCED = 128 + signal.SIGINT


def verbosity(package: Package) -> Verbosity:
    """Return how much of a build is shown."""
    return "quiet" if package.quiet else "verbose" if package.verbose else "normal"


def guarded(action: Callable[[Signals], int]) -> int:
    """Do something with an engine; turn every end it can have into an exit status.

    Errors are told on standard error.

    Args:
        action: given the signal handlers that are in force meanwhile.

    Returns:
        The action's status; that of the error; 0 when the user cancelled; 128 + n when signal n ended it.
    """
    occupy_standard_streams()
    signals = Signals()
    try:
        with signals:
            return action(signals)
    except KeyboardInterrupt:
        if signals.interrupts > 1:
            return _FORCED
        console.say("cancelled")
        return _CANCELLED
    except Terminated as end:
        return end.exit_code
    except BrokenPipeError:
        return _die_of_broken_pipe()
    except BuildrError as error:
        console.error(str(error))
        return error.exit_code


def occupy_standard_streams() -> None:
    """Open ``/dev/null`` for a standard stream that is closed.

    Otherwise the next thing that is opened, a connection to the engine say, would be that stream, and the guest's
    output would be written into it.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


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
    with Engine(
        entry, package, runtime, flag=flag, builder_flag=builder_flag, origins=origins
    ) as engine:

        def prepare(*, trust: bool) -> tuple[ContainerSpec, Ready]:
            ready = engine.make_ready(trust=trust)
            tty = False if runtime.detach else None
            spec = container_spec(engine.backend, engine.project, ready, entry, runtime, tty=tty)
            if command:
                spec = replace(spec, command=command)
            if runtime.keep:
                spec = to_be_kept(spec)
            if runtime.detach:
                from buildr.detach import to_be_detached

                spec = to_be_detached(spec)
            if runtime.debug is not None:
                from buildr.debugging import to_be_debugged

                spec = to_be_debugged(spec, runtime.debug)
            return spec, ready

        prepared = prepare(trust=True)
        try:
            return _run(engine, *prepared, signals)
        except ImageNotFoundError:  # somebody's clean-up of images came between
            signals.release()
        return _run(engine, *prepare(trust=False), signals)


class Engine:
    """The engine that runs a project, reached; a context manager.

    Args:
        entry: the program.
        package: validated options.
        runtime: validated options.
        flag: the backend named on the command line.
        builder_flag: the one named there to build.
        origins: where options stand, by ``package.builder``; others are the decorator's.

    Attributes:
        project: what the entry and the options come to.
        runtime: the options.
        backend: the engine's.
        say: tells the user something in one line, unless quiet is asked for.

    Raises:
        BuildrError: the project is none, or the engine cannot be reached.
    """

    def __init__(
        self,
        entry: Entry,
        package: Package,
        runtime: Runtime,
        *,
        flag: str | None = None,
        builder_flag: str | None = None,
        origins: Mapping[str, str] | None = None,
    ) -> None:
        self.say = _nothing if package.quiet else console.say
        self.runtime = runtime
        project = plan(entry, package)
        if runtime.mount_source:
            project = source_mounted(project)
        if runtime.debug is not None:
            from buildr.debugging import with_debugger

            project = with_debugger(project)
        self.project = project
        self._executor, self._builder = registry.choose_both(
            package, runtime, origins or {}, flag=flag, builder=builder_flag
        )
        self.backend = registry.connect(self._executor, self.say)

    def __enter__(self) -> Self:
        """Say which limits will not hold, and what is not apart from the host."""
        try:
            warn_of_limits(self.backend, self.runtime)
            warn_of_network(self.runtime)
        except BaseException:
            self.backend.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.backend.close()

    def make_ready(self, *, trust: bool) -> Ready:
        """Return what a container of the project is made of; build if need be, publish if asked for.

        Args:
            trust: see `buildr.image.make_ready`.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        backend, project, say = self.backend, self.project, self.say
        if self._builder.name not in (self._executor.name, registry.AUTO):
            elsewhere = registry.connect(self._builder, say)
            return Ready(image=_build_elsewhere(backend, project, elsewhere, say))
        if project.package.publish:
            return Ready(image=build_and_publish(backend, project, say))
        growth, shown = _growth(self.runtime), verbosity(project.package)
        return make_ready(backend, project, say, growth=growth, verbosity=shown, trust=trust)


def _growth(runtime: Runtime) -> Growth:
    """Return how small changes may come into the container.

    Where the root is read-only engines put no files into a container, and below a mount they would put them into what
    is mounted.
    """
    targets = [f"{mount.target}/" for mount in runtime.mounts]
    targets += [f"{item.target}/" for item in runtime.tmpfs]
    covered = any(t.startswith(f"{APP}/") or f"{APP}/".startswith(t) for t in targets)
    return "images" if runtime.hardened or covered else "files"


def watchdog_for(engine: Engine, spec: ContainerSpec) -> Watchdog:
    """Return the watchdog of a run, not yet started."""
    info = engine.backend.info
    run_id = spec.labels[identity.RUN]
    return Watchdog(info.backend, info.endpoint, run_id, engine.runtime.grace_seconds)


def _run(engine: Engine, spec: ContainerSpec, ready: Ready, signals: Signals) -> int:
    backend = engine.backend
    watchdog = watchdog_for(engine, spec)
    if engine.runtime.detach:
        return _detach(engine, spec, ready, signals, watchdog)
    with watchdog, Sweep(backend, engine.project, ready) as sweeping:

        def on_start(container: str) -> None:
            sweeping.begin()
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
    from buildr.detach import start, ways_on

    def on_start(container: str) -> None:
        _tell(engine, container, spec)
        engine.say(ways_on(spec))

    with Sweep(engine.backend, engine.project, ready) as sweeping:
        with watchdog:  # no longer than until the id of the run is told
            start(
                engine.backend,
                spec,
                signals,
                files=ready.files,
                on_start=on_start,
                watchdog=watchdog,
            )
        sweeping.begin()
    return 0


def _tell(engine: Engine, container: str, spec: ContainerSpec) -> None:
    """Say where a container that has just been started is reached."""
    if engine.runtime.debug is not None:
        from buildr.debugging import way_in

        engine.say(way_in(engine.project, engine.runtime.debug))
    tell_ports(engine.backend, container, spec, engine.say)


def build_and_publish(
    backend: Backend, project: Project, say: Callable[[str], None], *, cache: bool = True
) -> str:
    """Return the id of the project's image, pushed if its options say so."""
    package = project.package
    shown = verbosity(package)
    image = ensure_image(backend, project, say, verbosity=shown, cache=cache)
    if package.publish:
        with Progress(f"pushing {project.reference}", shown) as progress:
            request = PushRequest(image=image, reference=project.reference)
            digest = backend.push(request, progress)
        say(f"pushed {project.reference}" + (f" ({digest})" if digest else ""))
    return image


def _build_elsewhere(
    executor: Backend, project: Project, builder: Backend, say: Callable[[str], None]
) -> str:
    """Build with one engine and run with another: the image goes through its registry."""
    try:
        if builder.info.backend != executor.info.backend and not project.package.publish:
            raise OptionError(
                f"the image is built by {builder.info.backend} and run by {executor.info.backend},"
                " so it must be published",
                hint="Set repository=… in package and publish=True in package, or name one engine for both.",
            )
        image = build_and_publish(builder, project, say)
        if builder.info.backend == executor.info.backend:
            return image
    finally:
        builder.close()
    with Progress(f"pulling {project.reference}", verbosity(project.package)) as progress:
        return executor.pull(project.reference, progress).id


class Sweep:
    """Removes what earlier runs left behind and images that are old now, while the guest runs; a context manager."""

    def __init__(self, backend: Backend, project: Project, ready: Ready) -> None:
        self._backend = backend
        self._project = project
        self._ready = ready
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._thread is not None and kind is None:  # a failed run has waited long enough
            self._thread.join(_SWEEP_SECONDS)

    def begin(self) -> None:
        """Begin, once the guest runs; more than once is fine."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._sweep, name="buildr-sweep", daemon=True)
        self._thread.start()

    def _sweep(self) -> None:
        block_signals()
        with contextlib.suppress(BackendError):  # the guest matters more; the next run tries again
            sweep(self._backend)
        from buildr import temporary

        temporary.sweep()
        with contextlib.suppress(BackendError):
            if killed(self._backend.info.backend):
                from buildr.prune import sweep_images

                sweep_images(self._backend)
        if self._ready.is_new:
            collect(self._backend, self._project, self._ready.image)


def tell_ports(
    backend: Backend, container: str, spec: ContainerSpec, say: Callable[[str], None]
) -> None:
    """Say which host ports the engine chose; asked for only when it had to choose."""
    if not any(port.host == 0 for port in spec.ports):
        return
    state = backend.state(container)
    for port in state.ports if state else ():
        host = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
        say(f"port {port.container}/{port.protocol} of the guest is {host}:{port.host} here")


def _die_of_broken_pipe() -> int:
    """End as any Unix program does whose reader has gone: by SIGPIPE, without a word."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout = None  # what is buffered has no reader either
    os.kill(os.getpid(), signal.SIGPIPE)
    return 128 + signal.SIGPIPE


def _nothing(_text: str) -> None:
    """Say nothing: the user asked for quiet."""
