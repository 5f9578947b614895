"""``buildr quadlet``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click

from buildr.cli.command import option
from buildr.cli.completions import complete_script
from buildr.cli.options import (
    build_options,
    container_options,
    image_options,
    module_option,
    options,
    project_options,
)
from buildr.cli.run import RunCommand
from buildr.cli.target import Target, function_option
from buildr.cli.values import file_use, flags, in_words_of

if TYPE_CHECKING:
    from buildr.host.signals import Signals
    from buildr.runners.plan import RunPlan

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
    option(
        "--podman-secret",
        "podman_secrets",
        metavar="VARIABLE[=NAME]",
        multiple=True,
        section=_UNIT,
        help="Give a variable the value of a secret that `podman secret create NAME` has made.  [default NAME: the variable's]",
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
@click.argument("words", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_script)
@options(
    _own_options,
    module_option,
    function_option,
    build_options,
    image_options,
    container_options,
    _quiet,
    project_options,
)
@click.pass_context
def quadlet(  # noqa: PLR0913, PLR0917 - click passes each option by its name
    context: click.Context,
    /,
    words: tuple[str, ...],
    module: str | None,
    function: str | None,
    output: str | None,
    unit: str | None,
    podman_secrets: tuple[str, ...],
    **values: Any,
) -> None:
    r"""Write a unit with which the user's systemd runs an image.

    That is a .container file for rootless Podman, 4.4 or newer, with the options that a run has: those of
    the decorator in SCRIPT, which is not run, too. The image is the one that `buildr build` or `buildr push` makes of SCRIPT, or
    any IMAGE. Nothing is built here. Values of variables that are the host's, or look like secrets, are not written: name
    Podman's secrets with --podman-secret, or a file with --env-file.

    \b
    buildr build app.py
    buildr quadlet -o ~/.config/containers/systemd app.py
    systemctl --user daemon-reload
    systemctl --user start app
    """
    from msgspec import structs

    from buildr.config import settle_here
    from buildr.host import console
    from buildr.host.exit_status import exit_status_of
    from buildr.options.reference import parse_reference
    from buildr.runners.manifest import write
    from buildr.runners.plan import plan_image, plan_run
    from buildr.runners.registry import renderer

    if module is None and not words:
        raise click.UsageError("Missing argument 'SCRIPT' or 'IMAGE'. Or name a module: -m MODULE.")
    if unit is not None and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", unit, re.ASCII):
        raise click.BadParameter("letters, digits, and _ . - (not first)", param_hint="--unit")

    stored_secrets = tuple(map(_secret, podman_secrets))
    is_image = module is None and _is_image(words[0])
    script = words[0] if module is None else None
    arguments = words if script is None else words[1:]
    target = Target(
        context, values, script=script, module=module, function=function, arguments=arguments
    )

    def write_unit(_signals: Signals) -> int:
        resolved = None if is_image else target.resolve()
        with in_words_of(context):
            if resolved is None:
                image = str(parse_reference(words[0]).normalised())
                settings = settle_here(flags(context, values), file_use(values))
                plan = plan_image(image, settings, command=words[1:])
            else:
                plan = plan_run(resolved.entry, resolved.settings)
            plan = structs.replace(plan, stored_secrets=stored_secrets)
            name = unit or _name(plan)
            manifest = renderer("quadlet").render(plan, name)
            for note in manifest.notes:
                console.warn(note)
            if output is None:
                click.echo("".join(manifest.files.values()), nl=False)
                return 0
            paths = write(manifest, output)
        if not plan.package.quiet:
            console.say(f"wrote {', '.join(paths)}, which runs {manifest.image}; start it with:")
            click.echo(f"systemctl --user daemon-reload && systemctl --user start {name}")
        return 0

    context.exit(exit_status_of(write_unit))


def _secret(word: str) -> tuple[str, str]:
    """Split VARIABLE=NAME; the name is the variable's if it is missing."""
    variable, _, name = word.partition("=")
    name = name or variable
    if not re.fullmatch(r"[A-Za-z_]\w*=[\w][\w.-]*", f"{variable}={name}", re.ASCII):
        raise click.BadParameter(
            f"{word!r} is not VARIABLE or VARIABLE=NAME, with the name of a secret of Podman's",
            param_hint="--podman-secret",
        )
    return variable, name


def _name(plan: RunPlan) -> str:
    """Return the default name of a unit: that of the image."""
    from buildr.options.reference import image_name_from, parse_reference

    if plan.entry is None:
        return image_name_from(parse_reference(plan.image).path.rpartition("/")[2])
    return image_name_from(plan.package.name or plan.entry.stem).rpartition("/")[2]


def _is_image(word: str) -> bool:
    """Whether a word names an image: no such file exists, and it does not look like a path."""
    return not os.path.exists(word) and not word.endswith(".py")
