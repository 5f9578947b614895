"""``buildr run``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from buildr.cli.build import no_cache_option
from buildr.cli.command import Command
from buildr.cli.completions import complete_script
from buildr.cli.options import (
    always_option,
    backend_option,
    build_options,
    builder_option,
    collected_option,
    container_options,
    image_options,
    interactive_option,
    module_option,
    options,
    output_options,
    project_options,
    publish_option,
    watch_option,
    wheel_cache_option,
)
from buildr.cli.target import Target, function_option
from buildr.cli.values import flags, in_words_of, wrong_command_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from click.shell_completion import CompletionItem

    from buildr.config import Settings
    from buildr.host.signals import Signals
    from buildr.plan.entry import Entry


ESSENTIAL = (
    *("--py-version", "--dependency", "--system-package"),
    *("--port", "--env", "--mount", "--output", "--detach"),
    *("--backend", "--watch"),
)
"""The flags that most users need, and no others."""


class RunCommand(Command):
    """A command whose options end at the script or module; the rest are its arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; see `_end_options_at_module`."""
        return super().parse_args(ctx, _end_options_at_module(self.get_params(ctx), args))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete options of this command, but not after the script."""
        return [] if ctx.params.get("words") else super().shell_complete(ctx, incomplete)


def _end_options_at_module(params: Iterable[click.Parameter], words: Sequence[str]) -> list[str]:
    """Insert ``--`` after ``-m MODULE``, where the options of Python end, too.

    Args:
        params: the declared parameters, to know which options have a value.
        words: the command line.
    """
    valued = {
        name
        for param in params
        if isinstance(param, click.Option) and not param.is_flag
        for name in param.opts
    }
    position = 0
    while position < len(words):
        word = words[position]
        if not word.startswith("-") or word in ("-", "--"):
            break
        position += 1
        if word.startswith("--"):
            position += word in valued  # --name=value is one word
            continue
        for index, letter in enumerate(word[1:], start=2):  # -qm is -q -m
            if f"-{letter}" in valued:
                position += not word[index:]
                if letter == "m":
                    return [*words[:position], "--", *words[position:]]
                break
    return list(words)


@click.command(
    cls=RunCommand,
    usages=("[OPTIONS] SCRIPT [ARGS]...", "[OPTIONS] -m MODULE [ARGS]..."),
    essential=ESSENTIAL,
    context_settings={"allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_script)
@options(
    module_option,
    function_option,
    build_options,
    no_cache_option,
    wheel_cache_option,
    image_options,
    publish_option,
    container_options,
    collected_option,
    backend_option,
    builder_option,
    watch_option,
    project_options,
    output_options,
    interactive_option,
    always_option,
)
@click.pass_context
def run(  # noqa: PLR0913, PLR0917 - click passes each option by its name
    context: click.Context,
    /,
    words: tuple[str, ...],
    module: str | None,
    function: str | None,
    no_cache: bool,
    backend: str | None,
    watch: bool,
    **values: Any,
) -> None:
    """Run a Python script in a container, decorated or not.

    The image is built if need be. Then the script runs in it from the top, with this terminal's
    input and output, and buildr ends with its exit status. Everything behind SCRIPT belongs to the
    script, --help and dashes too.

    The options of a @Containerize in the script hold, too: they are read from its text, and flags
    come before them (see `buildr config`). Files that the script writes go with the container;
    --output and --mount keep them.

    With --detach it ends as soon as the script runs, and prints the run's id, which `buildr logs` and
    `buildr stop` take.
    """
    from buildr.errors import OptionName
    from buildr.host.exit_status import exit_status_of
    from buildr.options.errors import exclusive
    from buildr.runners.plan import plan_run
    from buildr.runners.registry import runner

    script = words[0] if words and module is None else None
    arguments = words if script is None else words[1:]
    target = Target(
        context, values, script=script, module=module, function=function, arguments=arguments
    )

    def find() -> tuple[Entry, Settings]:
        resolved = target.resolve()
        with in_words_of(context), wrong_command_line():
            if watch and resolved.settings.runtime.detach:
                raise exclusive(
                    "--watch",
                    OptionName("runtime.detach"),
                    "a watch ends the script, and runs it again",
                )
        return resolved.entry, resolved.settings

    def run_script(signals: Signals) -> int:
        with in_words_of(context):
            builder = flags(context, values).package.get("builder")
            _run_here_inside(target.entry())

        def execute(entry: Entry, settings: Settings) -> int:
            nonlocal no_cache
            with in_words_of(context):
                plan = plan_run(
                    entry, settings, backend=backend, builder=builder, cache=not no_cache
                )
                no_cache = False  # a watch rebuilds only what has changed
                return runner(plan.choices.runner).run(plan, signals)

        if watch:
            from buildr.runners.watch import run_watching

            return run_watching(find, execute, signals)
        return execute(*find())

    context.exit(exit_status_of(run_script))


def _run_here_inside(entry: Entry) -> None:
    """In a container, execute the script, as a decorated script would just run there."""
    from buildr.guest.detection import detect
    from buildr.host import console

    found = detect()
    for warning in found.warnings:
        console.warn(warning)
    if not found.inside:
        return
    way_out = "" if found.explicit else "; BUILDR_IN_CONTAINER=0 says otherwise"
    console.say(f"this is already a container ({found.reason}), so the script runs here{way_out}")
    program = ("-m", entry.module) if entry.module else (entry.script,)
    command = (sys.executable, *program, *entry.arguments)
    os.execv(sys.executable, command)  # noqa: S606 - the script replaces this process, without a shell
