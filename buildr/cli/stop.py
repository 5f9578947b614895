"""``buildr stop``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command, option
from buildr.cli.completions import complete_run
from buildr.cli.engines import engines_option, reached
from buildr.cli.options import options
from buildr.cli.output import echo

if TYPE_CHECKING:
    from queue import SimpleQueue

    from buildr.host.signals import Signals
    from buildr.run.runs import Run

_own_options = (
    option("--all", "everything", is_flag=True, help="Stop all your runs."),
    option(
        "--grace-seconds",
        type=click.FloatRange(min=0, max=1e6),
        metavar="SECONDS",
        help="Until it is killed.  [default: what the run was started with]",
    ),
)


@click.command(cls=Command, usages=("[OPTIONS] RUN...", "[OPTIONS] --all"))
@click.argument("words", nargs=-1, metavar="RUN...", shell_complete=complete_run)
@options(engines_option, _own_options)
@click.pass_context
def stop(
    context: click.Context,
    words: tuple[str, ...],
    backend: str | None,
    everything: bool,
    grace_seconds: float | None,
) -> None:
    """Stop runs: SIGTERM, the grace, SIGKILL.

    RUN is the beginning of an id that `buildr ps` shows, or the name of what runs. The host process
    of a run ends with its status and removes the container; where it has gone, this does. It also
    removes what `buildr run --keep` has left, and what runs or ran detached.
    """
    import threading
    from queue import SimpleQueue

    from buildr.errors import BackendError
    from buildr.host import console
    from buildr.host.exit_status import exit_status_of
    from buildr.run import runs

    if bool(words) is everything:
        raise click.UsageError("Name the runs to stop, or --all.")

    def operation(_signals: Signals) -> int:
        status = 0
        with reached(backend) as engines:
            found = runs.find(engines)
            mine = [run for run in found if run.is_ours]
            chosen = mine if everything else runs.choose(found, words)
            # In parallel, since each may take its whole grace period; daemon threads, so that an interrupt ends them.
            ends: SimpleQueue[tuple[Run, str]] = SimpleQueue()
            for run in chosen:
                words_of_it = (run, grace_seconds, ends)
                threading.Thread(target=_stop, args=words_of_it, daemon=True).start()
            for run, failure in (ends.get() for _ in chosen):
                if failure:
                    console.error(f"{run.short_id} cannot be stopped: {failure}")
                    status = BackendError.exit_code
                else:
                    echo(run.short_id)
        return status

    context.exit(exit_status_of(operation))


def _stop(run: Run, grace_seconds: float | None, ends: SimpleQueue[tuple[Run, str]]) -> None:
    import signal

    from buildr.errors import BackendError
    from buildr.host.signals import block_signals
    from buildr.run.cleanup import ask_to_end
    from buildr.run.log_followers import let_finish

    block_signals()
    seconds = run.grace_seconds if grace_seconds is None else grace_seconds
    try:
        ended = ask_to_end(run.backend, run.container, seconds)
        if not ended:
            run.backend.kill(run.container.id, signal.SIGKILL)
        if run.host != "alive" or run.kept or run.detached:
            let_finish(run.id)
            run.backend.remove(run.container.id, volumes=True)
        # Otherwise its host process waits for its status, and removes it.
    except BackendError as error:
        ends.put((run, error.what))
    else:
        ends.put((run, ""))
