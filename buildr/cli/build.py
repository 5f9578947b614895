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
    publish_option,
)
from buildr.cli.values import flags, in_words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildr.engines.containers import Containers
    from buildr.engines.protocol import Backend
    from buildr.host.signals import Signals
    from buildr.plan.project import Project

no_cache_option = (
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
@click.argument("script", required=False, shell_complete=completing("file"))
@options(
    module_option,
    build_options,
    no_cache_option,
    _sbom,
    image_options,
    publish_option,
    backend_option,
    output_options,
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
    from buildr.host.exit_status import guarded

    request = Request(script=script, module=module, backend=backend, cache=not no_cache)

    def action(_signals: Signals) -> int:
        if sbom:
            from buildr.sbom.document import check_library

            check_library()  # before a build that may take minutes
        return made(
            context,
            values,
            request,
            lambda engine, project, image: _tell(engine, project, image, sbom),
        )

    context.exit(guarded(action))


class Request(Struct, frozen=True, kw_only=True):
    """What a command line asks to build, beside options."""

    script: str | None
    module: str | None
    backend: str | None
    cache: bool = True
    publish: bool = False
    """Whether it is pushed, whatever the options say."""


def made(
    context: click.Context,
    values: Mapping[str, Any],
    request: Request,
    tell: Callable[[Backend, Project, str], None],
) -> int:
    """Build, and publish if asked for; return the command's status.

    Args:
        context: of the command.
        values: of its parameters, by name.
        request: what to build.
        tell: given the engine, the project and the image's id.

    Raises:
        BuildrError: of any kind; see `buildr.errors`.
    """
    from buildr.cli import target
    from buildr.config import settle
    from buildr.engines import registry
    from buildr.errors import OptionError
    from buildr.host import console
    from buildr.image.publish import build_and_publish
    from buildr.plan.project import plan

    with in_words_of(context):
        given = flags(context, values)
        entry = target.find(request.script, request.module)
        settings = settle(entry, given)
        package = settings.package
        if request.publish:
            if package.repository is None:
                raise OptionError(
                    "a push needs a repository to push to",
                    hint="Name it: --repository, or repository in [tool.buildr.package], such as"
                    ' "registry.example.org/me".',
                )
            package = structs.replace(package, publish=True)
        project = plan(entry, package)
        say = _nothing if package.quiet else console.say
        _, choice = registry.choose_both(
            package, settings.runtime, settings.origins, flag=request.backend
        )
        engine = registry.connect(choice, say)
        try:
            tell(engine, project, build_and_publish(engine, project, say, cache=request.cache))
        finally:
            engine.close()
    return 0


def _tell(engine: Containers, project: Project, image: str, sbom: str | None) -> None:
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


def _nothing(_text: str) -> None:
    """Say nothing: the user asked for quiet."""
