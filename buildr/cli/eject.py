"""``buildr eject``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from buildr.cli.command import Command, completing, option
from buildr.cli.options import build_options, image_options, module_option, options
from buildr.cli.values import flags, in_words_of

if TYPE_CHECKING:
    from buildr.host.signals import Signals

_own_options = (
    option(
        "-o",
        "--output",
        metavar="DIRECTORY",
        required=True,
        help="Where to write; made if need be.",
    ),
    option(
        "--force",
        is_flag=True,
        help="Write into a directory that is not empty, and replace what an earlier eject has written there.",
    ),
    option("-q", "--quiet", "package__quiet", is_flag=True, help="Say nothing but errors."),
)


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False, shell_complete=completing("file"))
@options(_own_options, module_option, build_options, image_options)
@click.pass_context
def eject(
    context: click.Context,
    /,
    script: str | None,
    module: str | None,
    output: str,
    force: bool,
    **values: Any,
) -> None:
    """Write what a build needs without Buildr.

    That is the Containerfile, an ignore file, a copy of the source, and whatever else is copied
    into the image. The engines' own commands build it then: podman build DIRECTORY, or docker build -f
    DIRECTORY/Containerfile DIRECTORY. No engine is needed here, and the project is not changed.

    The decorator's options are read from the script, which is not run.
    """
    from buildr.cli import target
    from buildr.config import settle
    from buildr.config.decorated import read_decorator
    from buildr.context.entries import printable
    from buildr.host import console
    from buildr.host.exit_status import guarded
    from buildr.plan.eject import eject as write
    from buildr.plan.project import plan
    from buildr.plan.staging import notes

    def action(_signals: Signals) -> int:
        with in_words_of(context):
            given = flags(context, values)
            entry = target.find(script, module)
            found = read_decorator(entry.source) if entry.source else None
            settings = settle(entry, given, decorator=found.layer if found else None)
            package = settings.package
            project = plan(entry, package)
            ejected = write(project, output, force=force)
        told = [*(found.notes if found else ()), *project.notes, *notes(ejected.sources)]
        if foreign := ejected.foreign:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            told.append(
                f"not written by eject, and copied into the image: {printable(foreign[0])}{more}"
            )
        for note in () if package.quiet else told:
            console.say(note)
        if package.secrets:
            console.warn("package.secrets stay here: give the build its own, with --secret")
        place = shlex.quote(output)
        click.echo(f"podman build -t {project.reference} {place}")
        click.echo(f"docker build -t {project.reference} -f {place}/Containerfile {place}")
        return 0

    context.exit(guarded(action))
