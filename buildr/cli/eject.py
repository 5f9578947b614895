"""``buildr eject``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from buildr.cli.command import Command, option
from buildr.cli.completions import complete_script
from buildr.cli.options import (
    build_options,
    image_options,
    module_option,
    options,
    project_options,
    quiet_option,
)
from buildr.cli.target import Target, function_option
from buildr.cli.values import in_words_of

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
    *quiet_option,
)


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False, shell_complete=complete_script)
@options(
    _own_options, module_option, function_option, build_options, image_options, project_options
)
@click.pass_context
def eject(
    context: click.Context,
    /,
    script: str | None,
    module: str | None,
    function: str | None,
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
    from buildr.config.trust import allow
    from buildr.context.entries import printable
    from buildr.host import console
    from buildr.host.exit_status import exit_status_of
    from buildr.image.secret_values import lookout
    from buildr.plan.eject import eject as write
    from buildr.plan.project import plan
    from buildr.plan.staging import notes

    target = Target(context, values, script=script, module=module, function=function)

    def write_files(_signals: Signals) -> int:
        resolved = target.resolve()
        package = resolved.settings.package
        with in_words_of(context):
            allow(resolved.settings)
            project = plan(resolved.entry, package, env_files=resolved.settings.runtime.env_file)
            ejected = write(project, output, force=force, lookout=lookout(project))
        lines = [*project.notes, *notes(ejected.sources, project.context)]
        if foreign := ejected.foreign:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            lines.append(
                f"not written by eject, but copied into the image: {printable(foreign[0])}{more}"
            )
        for note in () if package.quiet else lines:
            console.say(note)
        if package.secrets:
            console.warn("package.secrets stay here: give the build its own, with --secret")
        place = shlex.quote(output)
        click.echo(f"podman build -t {project.reference} {place}")
        click.echo(f"docker build -t {project.reference} -f {place}/Containerfile {place}")
        return 0

    context.exit(exit_status_of(write_files))
