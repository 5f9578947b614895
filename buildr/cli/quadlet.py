"""``buildr quadlet``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click

from buildr.cli.command import completing, option
from buildr.cli.options import (
    build_options,
    container_options,
    image_options,
    module_option,
    options,
)
from buildr.cli.run import RunCommand
from buildr.cli.values import flags, in_words_of
from buildr.layout import APP

if TYPE_CHECKING:
    from buildr.host.signals import Signals
    from buildr.runners.quadlet import Service

_UNIT = "Unit options"
_own_options = (
    option(
        "-o",
        "--output",
        metavar="DIRECTORY",
        section=_UNIT,
        help="Write NAME.container there; Podman looks in ~/.config/containers/systemd.  [default: print it, and change nothing]",
    ),
    option(
        "--unit",
        metavar="NAME",
        section=_UNIT,
        help="Name of the unit, and so of the service.  [default: the image's]",
    ),
)
_quiet = (option("-q", "--quiet", "package__quiet", is_flag=True, help="Say nothing but errors."),)


@click.command(
    cls=RunCommand,
    usages=(
        "[OPTIONS] SCRIPT [ARGS]...",
        "[OPTIONS] -m MODULE [ARGS]...",
        "[OPTIONS] IMAGE [ARGS]...",
    ),
    context_settings={"allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, shell_complete=completing("file"))
@options(_own_options, module_option, build_options, image_options, container_options, _quiet)
@click.pass_context
def quadlet(
    context: click.Context,
    /,
    words: tuple[str, ...],
    module: str | None,
    output: str | None,
    unit: str | None,
    **values: Any,
) -> None:
    r"""Write a unit with which the user's systemd runs an image.

    That is a .container file for rootless Podman, 4.4 or newer, with the options that a run has: those of
    the decorator in SCRIPT, which is not run, too. The image is the one that `buildr build` or `buildr push` makes of SCRIPT, or
    any IMAGE. Nothing is built here. Values of variables that are the host's, or look like secrets, are not written: name
    a file with --env-file.

    \b
    buildr build app.py
    buildr quadlet -o ~/.config/containers/systemd app.py
    systemctl --user daemon-reload
    systemctl --user start app
    """
    from buildr.host import console
    from buildr.host.exit_status import guarded
    from buildr.runners import quadlet as units

    if module is None and not words:
        raise click.UsageError("Missing argument 'SCRIPT' or 'IMAGE'. Or name a module: -m MODULE.")
    if unit is not None and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", unit, re.ASCII):
        raise click.BadParameter("letters, digits, and _ . - (not first)", param_hint="--unit")

    def action(_signals: Signals) -> int:
        with in_words_of(context):
            service, told = _service(context, words, module, unit, values)
            text, notes = units.unit(service)
            quiet = bool(values["package__quiet"])
            for note in () if quiet else told:
                console.say(note)
            for note in notes:
                console.warn(note)
            if output is None:
                click.echo(text, nl=False)
                return 0
            path = units.write(text, service.name, output)
        if not quiet:
            console.say(f"wrote {path}, which runs {service.image}; start it with:")
            click.echo(f"systemctl --user daemon-reload && systemctl --user start {service.name}")
        return 0

    context.exit(guarded(action))


def _service(
    context: click.Context,
    words: tuple[str, ...],
    module: str | None,
    unit: str | None,
    values: dict[str, Any],
) -> tuple[Service, tuple[str, ...]]:
    """Return what the command line names, and what the user should know of it."""
    from buildr.cli import target
    from buildr.config import settle, settle_here
    from buildr.config.decorated import read_decorator
    from buildr.options.reference import image_name_from, parse_reference
    from buildr.plan.project import plan
    from buildr.runners.quadlet import Service

    given = flags(context, values)
    if module is None and _is_image(words[0]):
        image = parse_reference(words[0]).normalised()
        return Service(
            name=unit or image_name_from(image.path.rpartition("/")[2]),
            image=str(image),
            runtime=settle_here(given).runtime,
            command=words[1:],
        ), ()
    arguments = words if module is not None else words[1:]
    entry = target.find(None if module is not None else words[0], module, arguments)
    found = read_decorator(entry.source) if entry.source else None
    settings = settle(entry, given, decorator=found.layer if found else None)
    project = plan(entry, settings.package)
    own = project.dockerfile is not None
    if own and arguments:
        raise click.UsageError(
            "With a Containerfile of your own the arguments belong into its CMD, which is not read here."
        )
    workdir = project.placement.workdir
    return Service(
        name=unit or image_name_from(project.package.name or entry.stem).rpartition("/")[2],
        image=project.reference,
        runtime=settings.runtime,
        command=(*project.placement.command, *arguments) if arguments else (),
        workdir="" if own or workdir == APP else workdir,
        home="" if own else project.recipe.home,
    ), found.notes if found else ()


def _is_image(word: str) -> bool:
    """Whether a word names an image: no file is there, and it does not look as if one should be."""
    return not os.path.exists(word) and not word.endswith(".py")
