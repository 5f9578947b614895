"""``buildr images``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from buildr.cli.command import Command, option
from buildr.cli.engines import engines_option, reached
from buildr.cli.options import options
from buildr.cli.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.engines.protocol import Backend
    from buildr.engines.records import Image
    from buildr.host.signals import Signals

_HEADINGS = ("IMAGE", "ID", "SIZE", "ENGINE")
_own_options = (
    option("-a", "--all", "everything", is_flag=True, help="Also earlier states of the source."),
    option("-q", "--quiet", is_flag=True, help="Print the ids alone."),
    option("--json", "as_json", is_flag=True, help="Print the images as JSON."),
)


@click.command(cls=Command)
@options(engines_option, _own_options)
@click.pass_context
def images(
    context: click.Context, backend: str | None, everything: bool, quiet: bool, as_json: bool
) -> None:
    """List the images of your projects, newest first.

    Each project keeps a few images of earlier states of its source, so that going back to one takes
    no build; --all shows them, too. Old ones are removed by themselves.
    """
    from buildr.host.documents import json_text
    from buildr.host.exit_status import exit_status_of

    def operation(_signals: Signals) -> int:
        with reached(backend) as engines:
            found = [(engine, image) for engine in engines for image in _images(engine, everything)]
        if as_json:
            click.echo(json_text([_document(engine, image) for engine, image in found]))
        elif quiet:
            for identity in dict.fromkeys(image.id for _, image in found):
                click.echo(identity)
        else:
            for line in table([_HEADINGS, *(_row(*one) for one in found)]):
                click.echo(line)
        return 0

    context.exit(exit_status_of(operation))


def _images(engine: Backend, everything: bool) -> Iterator[Image]:
    from buildr.cli.image_names import own_names
    from buildr.labels import PROJECT
    from buildr.leftovers.last_image import Memory

    for image in engine.images({PROJECT: ""}):
        if engine.info.shared and Memory(image.labels[PROJECT], engine).last() is None:
            continue  # of another user of the engine
        if everything or own_names(image):
            yield image


def _row(engine: Backend, image: Image) -> tuple[str, ...]:
    from buildr.cli.image_names import own_names
    from buildr.engines.records import short_id

    names = ", ".join(own_names(image)) or "-"
    return names, short_id(image.id), f"{image.size / 1e6:.1f} MB", engine.info.backend


def _document(engine: Backend, image: Image) -> dict[str, Any]:
    from buildr.labels import PROJECT

    return {
        "id": image.id,
        "names": list(image.tags),
        "project": image.labels[PROJECT],
        "size": image.size,
        "engine": engine.info.backend,
    }
