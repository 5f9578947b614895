"""``buildr build``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from buildr.cli.command import Command, option
from buildr.cli.options import (
    BUILD,
    backend_option,
    build_options,
    image_options,
    module_option,
    options,
    output_options,
)
from buildr.cli.values import in_words_of, read

if TYPE_CHECKING:
    from buildr.signals import Signals

_no_cache = (
    option(
        "--no-cache",
        is_flag=True,
        section=BUILD,
        help="Build every step anew, whatever is stored.",
    ),
)


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False)
@options(module_option, build_options, _no_cache, image_options, backend_option, output_options)
@click.pass_context
def build(
    context: click.Context,
    /,
    script: str | None,
    module: str | None,
    no_cache: bool,
    backend: str | None,
    **values: Any,
) -> None:
    """Build the image of a script, without running it.

    Prints the image's name and its id; with --quiet only the id. What is stored already is not
    built again.
    """
    from buildr import console, registry
    from buildr.action import build_and_publish, guarded
    from buildr.cli import target
    from buildr.project import plan

    def action(_signals: Signals) -> int:
        with in_words_of(context):
            package = read(context, values).package
            project = plan(target.find(script, module), package)
            say = _nothing if package.quiet else console.say
            choice = registry.choose(flag=backend)
            engine = registry.connect(choice, say)
            try:
                image = build_and_publish(engine, project, say, cache=not no_cache)
            finally:
                engine.close()
        click.echo(image if package.quiet else f"{project.reference} {image}")
        return 0

    context.exit(guarded(action))


def _nothing(_text: str) -> None:
    """Say nothing: the user asked for quiet."""
