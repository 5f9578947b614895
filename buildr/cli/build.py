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
from buildr.cli.values import flags, in_words_of

if TYPE_CHECKING:
    from buildr.backend import Backend
    from buildr.signals import Signals

_no_cache = (
    option(
        "--no-cache",
        is_flag=True,
        section=BUILD,
        help="Build every step anew, whatever is stored.",
    ),
)

_sbom = (
    option(
        "--sbom",
        metavar="FILE",
        section=BUILD,
        help="Write what is installed in the image to FILE, as CycloneDX in JSON; - is standard output.",
    ),
)


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False)
@options(
    module_option, build_options, _no_cache, _sbom, image_options, backend_option, output_options
)
@click.pass_context
def build(
    context: click.Context,
    /,
    script: str | None,
    module: str | None,
    no_cache: bool,
    sbom: str | None,
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
    from buildr.config import settle
    from buildr.project import plan

    def action(_signals: Signals) -> int:
        if sbom:
            from buildr.sbom.document import check_library

            check_library()  # before a build that may take minutes
        with in_words_of(context):
            given = flags(context, values)
            entry = target.find(script, module)
            settings = settle(entry, given)
            package = settings.package
            project = plan(entry, package)
            say = _nothing if package.quiet else console.say
            choice = registry.choose(
                flag=backend,
                option=package.builder or settings.runtime.executor,
                option_origin=settings.engine_origin,
            )
            engine = registry.connect(choice, say)
            try:
                image = build_and_publish(engine, project, say, cache=not no_cache)
                listed = _sbom_of(engine, project.reference, image) if sbom else ""
            finally:
                engine.close()
        if sbom and sbom != "-":
            _write(sbom, listed)
        elif sbom:
            click.echo(listed)
            return 0
        click.echo(image if package.quiet else f"{project.reference} {image}")
        return 0

    context.exit(guarded(action))


def _sbom_of(engine: Backend, reference: str, image: str) -> str:
    from buildr.sbom.document import render_sbom
    from buildr.sbom.inventory import read_inventory

    return render_sbom(read_inventory(engine, image), reference=reference, image=image)


def _write(path: str, text: str) -> None:
    from buildr.errors import BuildrError

    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError as error:
        raise BuildrError(
            f"{path} cannot be written: {error.strerror}", hint="Name another file for --sbom."
        ) from None


def _nothing(_text: str) -> None:
    """Say nothing: the user asked for quiet."""
