"""A call without FIFOs: the request is the container's standard input, the answer a file that is fetched.

Used on engines that do not share files with this process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.host.signals import Signals
from buildr.layout import CALL
from buildr.run.loop import RunRequest, run
from buildr.runners.container import with_interpreter_options
from buildr.runners.protocol import Answer
from buildr.runners.result_file import ResultFile
from buildr.runners.written_files import collector

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.run.watchdog import Watchdog
    from buildr.runners.protocol import WorkerCall
    from buildr.runners.session import EngineSession


def run_call(
    call: WorkerCall,
    session: EngineSession,
    spec: ContainerSpec,
    files: bytes,
    watchdog: Watchdog | None,
) -> Answer:
    """Run a call in its own container.

    Args:
        call: the call.
        session: the engine.
        spec: the container, without its command.
        files: see `buildr.run.loop.RunRequest`.
        watchdog: the watchdog of all calls.

    Raises:
        BuildrError: of any kind; see `buildr.errors`.
    """
    status, collect, signals = 0, collector(session), Signals()
    result = ResultFile(spec, most=call.answer_bytes)
    spec = replace(spec, command=("python", "-u", CALL, result.place), stdin=True)
    spec = with_interpreter_options(spec, session)

    def stop() -> None:
        signals.interrupts = 1  # a container that was not created yet never starts
        signals.request_cancel()

    def on_start(container: str) -> None:
        call.on_start()
        session.report_ports(container, spec)

    def on_end(container: str, ended_with: int) -> None:
        nonlocal status
        status = ended_with
        result.fetch(session.backend, container)
        if collect is not None:
            collect(container, ended_with)

    request = RunRequest(files=files, input=b"".join(call.parts), on_start=on_start, on_end=on_end)
    with call.cancellation.telling(stop):
        run(session.backend, spec, signals, request, watchdog=watchdog)
    return Answer(status=status, message=result.data)
