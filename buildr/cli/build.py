"""``buildr build``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct, structs

from buildr.cli.command import Command, completing, option
from buildr.cli.options import (
    BUILD,
    backend_option,
    build_options,
    image_options,
    module_option,
    options,
    output_options,
    project_options,
    publish_option,
)
from buildr.cli.target import Target, function_option
from buildr.cli.values import in_words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.engines.containers import Containers
    from buildr.engines.protocol import Backend
    from buildr.host.signals import Signals
    from buildr.plan.project import Project

no_cache_option = (
    option(
        "--no-cache",
        is_flag=True,
        section=BUILD,
        help="Build every step again, whatever is stored.",
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
@click.argument("script", required=False, shell_complete=completing("file"))
@options(
    module_option,
    function_option,
    build_options,
    no_cache_option,
    _sbom,
    image_options,
    publish_option,
    backend_option,
    output_options,
    project_options,
)
@click.pass_context
def build(  # noqa: PLR0913, PLR0917 - click passes each option by its name
    context: click.Context,
    /,
    script: str | None,
    module: str | None,
    function: str | None,
    no_cache: bool,
    sbom: str | None,
    backend: str | None,
    **values: Any,
) -> None:
    """Build the image of a script, without running it.

    Prints the image's name and its id; with --quiet only the id. What is stored already is not
    built again. The options are those of the decorator, too, which is read and not run.
    """
    from buildr.host.exit_status import exit_status_of

    target = Target(context, values, script=script, module=module, function=function)
    request = Request(backend=backend, cache=not no_cache)

    def build_image(_signals: Signals) -> int:
        if sbom:
            from buildr.sbom.document import check_library

            check_library()  # before a build that may take minutes
        return build_target(
            context,
            target,
            request,
            lambda engine, project, image: _report(engine, project, image, sbom),
        )

    context.exit(exit_status_of(build_image))


class Request(Struct, frozen=True, kw_only=True):
    """How a command line asks to build, beside options."""

    backend: str | None
    cache: bool = True
    publish: bool = False
    """Whether it is pushed, whatever the options say."""


def build_target(
    context: click.Context,
    target: Target,
    request: Request,
    report: Callable[[Backend, Project, str], None],
) -> int:
    """Build, and publish if asked for; return the command's status.

    Args:
        context: of the command.
        target: what to build.
        request: how.
        report: called with the engine, the project and the image's id.

    Raises:
        BuildrError: of any kind; see `buildr.errors`.
    """
    from buildr.config.trust import allow
    from buildr.engines import registry
    from buildr.errors import OptionError
    from buildr.host import console
    from buildr.image.publish import build_and_publish
    from buildr.plan.project import plan
    from buildr.runners.choice import choose

    resolved = target.resolve()
    with in_words_of(context):
        allow(resolved.settings)
        package = resolved.settings.package
        if request.publish:
            if package.repository is None:
                raise OptionError(
                    "a push needs a repository to push to",
                    hint="Name it: --repository, or repository in the decorator or [tool.buildr.package], such as"
                    ' "registry.example.org/me".',
                    on_command_line=True,
                )
            package = structs.replace(package, publish=True)
        project = plan(resolved.entry, package, env_files=resolved.settings.runtime.env_file)
        say = console.say_nothing if package.quiet else console.say
        choices = choose(
            resolved.settings,
            backend=request.backend,
            builder=resolved.given.package.get("builder"),
        )
        engine = registry.connect(choices.builder, say)
        try:
            report(engine, project, build_and_publish(engine, project, say, cache=request.cache))
        finally:
            engine.close()
    return 0


def _report(engine: Containers, project: Project, image: str, sbom: str | None) -> None:
    listed = _sbom_of(engine, project.reference, image) if sbom else ""
    if sbom and sbom != "-":
        _write(sbom, listed)
    elif sbom:
        click.echo(listed)
        return
    click.echo(image if project.package.quiet else f"{project.reference} {image}")


def _sbom_of(engine: Containers, reference: str, image: str) -> str:
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
