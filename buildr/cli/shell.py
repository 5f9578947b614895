"""``buildr shell``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from buildr.cli.build import no_cache_option
from buildr.cli.command import Command, option
from buildr.cli.completions import complete_script
from buildr.cli.options import (
    always_option,
    backend_option,
    build_options,
    builder_option,
    container_options,
    image_options,
    interactive_option,
    module_option,
    options,
    output_options,
    project_options,
    wheel_cache_option,
)
from buildr.cli.target import Target, function_option
from buildr.cli.values import in_words_of

if TYPE_CHECKING:
    from buildr.host.signals import Signals

_SHELL = ("sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh")

ESSENTIAL = (
    *("--py-version", "--dependency", "--system-package"),
    *("--port", "--env", "--mount"),
    *("--backend", "-c"),
)
"""The flags that most users need."""

_own_options = (
    option(
        "-c", "line", metavar="COMMAND", help="One line for sh, in place of a shell to type in."
    ),
)


@click.command(
    cls=Command,
    essential=ESSENTIAL,
    short_help="Open a shell in the container of a script.",
    usages=(
        "[OPTIONS] SCRIPT [-c COMMAND | -- COMMAND...]",
        "[OPTIONS] -m MODULE [-c COMMAND | -- COMMAND...]",
    ),
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_script)
@options(
    module_option,
    function_option,
    build_options,
    no_cache_option,
    wheel_cache_option,
    image_options,
    container_options,
    backend_option,
    builder_option,
    output_options,
    project_options,
    _own_options,
    interactive_option,
    always_option,
)
@click.pass_context
def shell(  # noqa: PLR0913, PLR0917 - click passes each option by its name
    context: click.Context,
    /,
    words: tuple[str, ...],
    module: str | None,
    function: str | None,
    no_cache: bool,
    backend: str | None,
    line: str | None,
    **values: Any,
) -> None:
    """Open a shell in the container that `buildr run SCRIPT` would start.

    The image is built if need be. It is bash where the image has it, sh otherwise, or a command in
    its place; the exit status is its own, and the container goes when it ends. On a terminal Ctrl+C
    is a key like any other.
    """
    from msgspec.structs import replace

    from buildr.host.exit_status import exit_status_of
    from buildr.runners.plan import plan_run
    from buildr.runners.registry import runner

    script = words[0] if words and module is None else None
    rest = words if script is None else words[1:]
    if line is not None and rest:
        raise click.UsageError("Give a command by -c or behind --, not both.")
    command = ("sh", "-c", line) if line is not None else rest or _SHELL

    target = Target(context, values, script=script, module=module, function=function)

    def open_shell(signals: Signals) -> int:
        resolved = target.resolve()
        if not {"detach", "debug"}.isdisjoint(resolved.given.runtime):
            raise click.UsageError("A shell can be neither detached nor debugged.")
        with in_words_of(context):
            # It replaces the script, and is interactive.
            runtime = replace(
                resolved.settings.runtime,
                interrupt="guest",
                restart="no",
                wait_for=(),
                detach=False,
                debug=None,
            )
            plan = plan_run(
                resolved.entry,
                replace(resolved.settings, runtime=runtime),
                backend=backend,
                builder=resolved.given.package.get("builder"),
                command=command,
                cache=not no_cache,
            )
            return runner(plan.choices.runner).run(plan, signals)

    context.exit(exit_status_of(open_shell))
