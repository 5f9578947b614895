"""``buildr config``."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from buildr.cli.command import Command, option
from buildr.cli.completions import complete_script
from buildr.cli.options import ignore_option, module_option, options
from buildr.cli.output import echo
from buildr.cli.table import table
from buildr.cli.target import function_option
from buildr.cli.values import file_use
from buildr.host.documents import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.config import FileUse, Settings
    from buildr.host.signals import Signals
    from buildr.options import Mount
    from buildr.plan.entry import Entry
    from buildr.plan.project import Project

_HIDDEN = "…"


def _print_schema(context: click.Context, _parameter: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        from importlib.resources import files

        click.echo(files("buildr.config").joinpath("schema.json").read_text("utf-8"), nl=False)
        context.exit()


_own_options = (
    option("-a", "--all", "everything", is_flag=True, help="Also show what has its default."),
    option("--json", "as_json", is_flag=True, help="Print every option as JSON."),
    option(
        "--schema",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_schema,
        help="Print the JSON schema of [tool.buildr], for editors, and exit.",
    ),
    option("--show-env", is_flag=True, help="Also show the values of runtime.env."),
)


@click.command(cls=Command, usages=("[OPTIONS] [SCRIPT]", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False, shell_complete=complete_script)
@options(module_option, function_option, _own_options, ignore_option)
@click.pass_context
def config(
    context: click.Context,
    /,
    script: str | None,
    module: str | None,
    function: str | None,
    **values: Any,
) -> None:
    """Show the options that are set, and what follows from them.

    Each option says where it comes from, the first of: a BUILDR_… variable, the decorator of SCRIPT (which is read and
    not run, so that computed values are not shown), [tool.buildr] in pyproject.toml, the default. Flags
    of other commands take precedence over all of them. What the project asks for beyond its own
    folder and a private network is listed below them.

    For a SCRIPT the base image with its Python, the source of its dependencies and the root of its
    project are shown, too.
    """
    from buildr.config.layers import DEFAULT
    from buildr.host import console
    from buildr.host.exit_status import exit_status_of

    def action(_signals: Signals) -> int:
        file = file_use(values)
        entry, settings, notes = _settings((script, module, function), file)
        for note in notes:
            console.say(note)
        rows = [
            (name, _plain(name, value, show_env=values["show_env"]), origin)
            for name, value, origin in _rows(settings)
        ]
        if values["as_json"]:
            asked = _asked(settings)
            documents = [
                dict(zip(("option", "value", "from"), row, strict=True))
                | ({"asks": asked[row[0]]} if row[0] in asked else {})
                for row in rows
            ]
            click.echo(json_text(documents))
        else:
            shown = [row for row in rows if values["everything"] or row[2] != DEFAULT]
            if shown:
                for line in table([("OPTION", "VALUE", "FROM"), *map(_shown, shown)]):
                    click.echo(line)
            else:
                click.echo("No option is set: --all shows their defaults.")
            for line in (*_outcome(entry, settings), *_asks(settings)):
                echo(line)
        return 0

    context.exit(exit_status_of(action))


def _settings(
    named: tuple[str | None, str | None, str | None], file: FileUse
) -> tuple[Entry | None, Settings, tuple[str, ...]]:
    """Return the program, the effective options, and notes about unreadable ones.

    Args:
        named: a script, a module, a decorated function.
        file: the command line's settings for the project's file.
    """
    from buildr.cli import target
    from buildr.config import Layer, settle, settle_here
    from buildr.config.decorated import read_decorator_of

    script, module, function = named
    if script is None and module is None:
        return None, settle_here(Layer(origin=""), file), ()
    entry = target.find(script, module)
    found = read_decorator_of(entry, function)
    return entry, settle(entry, found.layer, file=file), found.notes


def _outcome(entry: Entry | None, settings: Settings) -> Iterator[str]:
    """Yield lines about consequences of the options that are known without an engine."""
    from buildr.config.trust import is_allowed
    from buildr.errors import BuildrError
    from buildr.plan.project import plan

    if entry is None:
        yield f"\nroot          {settings.project}"
        return
    if settings.asks and not is_allowed(settings):
        return  # no file is read that the project names and the user has not agreed to
    try:
        found = plan(entry, settings.package, env_files=settings.runtime.env_file)
    except BuildrError as error:
        yield f"\nNo image can be made: {error}"
        return
    installs = found.dependencies is not None and found.dependencies.files
    source = found.recipe.dependencies_source if installs else "nothing is installed"
    yield f"\nroot          {found.context}"
    yield f"image         {found.reference}"
    yield f"python        {_python(found)}"
    yield f"base image    {found.dockerfile or found.recipe.base_image}"
    yield f"dependencies  {source}"


def _python(project: Project) -> str:
    """Return the version of Python that an image of a project has."""
    name, _, tag = project.recipe.base_image.rpartition(":")
    if project.dockerfile or not name.endswith("/library/python"):
        return "that of the base image"
    return tag.partition("-")[0]


def _asks(settings: Settings) -> Iterator[str]:
    """Yield lines about requests beyond the project."""
    from buildr.config.trust import BEYOND, is_allowed, listed

    if settings.asks:
        state = "which is allowed" if is_allowed(settings) else "which is not allowed yet"
        yield f"\n{settings.file} asks for {BEYOND}, {state}:"
        yield listed(settings.asks)
    if settings.shows:
        yield f"\nThe decorator asks for {BEYOND}:"
        yield listed(settings.shows, "")


def _asked(settings: Settings) -> dict[str, list[str]]:
    """Return the same by option."""
    found: dict[str, list[str]] = {}
    for one in (*settings.asks, *settings.shows):
        found.setdefault(one.option, []).append(one.what)
    return found


def _rows(settings: Settings) -> Iterator[tuple[str, Any, str]]:
    """Yield each option with its value and origin, with the two short variables applied."""
    from msgspec import structs

    from buildr.config.layers import DEFAULT
    from buildr.options import OPTIONS
    from buildr.plan.project import BASE_IMAGE_VARIABLE
    from buildr.runners.choice import ENGINE, choose

    package, origins = settings.package, dict(settings.origins)
    if (image := os.environ.get(BASE_IMAGE_VARIABLE)) and package.dockerfile is None:
        package = structs.replace(package, base_image=image, variant=None, py_version=None)
        origins["package.base_image"] = BASE_IMAGE_VARIABLE
        for name in ("package.variant", "package.py_version"):
            origins.pop(name, None)
    choices = choose(settings)
    engine = choices.executor if choices.runner == ENGINE else choices.builder
    yield "backend", engine.name, engine.origin
    groups = {"package": package, "runtime": settings.runtime}
    for name, declared in OPTIONS.items():
        yield name, getattr(groups[declared.group], declared.name), origins.get(name, DEFAULT)


def _plain(name: str, value: Any, *, show_env: bool) -> Any:
    """Return a value as JSON and TOML can represent it."""
    import msgspec

    if name == "runtime.env":
        if show_env:
            return dict(value)
        return {key: None if text is None else _HIDDEN for key, text in value.items()}
    if name == "runtime.ports":
        return [str(port) for port in value]
    if name == "runtime.mounts":
        return [_mount(mount) for mount in value]
    return _without_logins(msgspec.to_builtins(value))


def _without_logins(value: Any) -> Any:
    from buildr.host.confidential import without_logins

    if isinstance(value, str):
        return without_logins(value)
    if isinstance(value, list | tuple):
        return [_without_logins(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _without_logins(inner) for key, inner in value.items()}
    return value


def _mount(mount: Mount) -> Any:
    import msgspec

    if ":" in mount.source or ":" in mount.target:
        return msgspec.to_builtins(mount)  # values that text cannot express
    access = ",".join(filter(None, ("ro" if mount.read_only else "", mount.relabel)))
    return ":".join(filter(None, (mount.source, mount.target, access)))


def _shown(row: tuple[str, Any, str]) -> tuple[str, str, str]:
    name, value, origin = row
    text = "-" if value is None else json.dumps(value, ensure_ascii=False)
    return name, text, origin
