"""``buildr build``."""

from __future__ import annotations

import time
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
from buildr.host.documents import json_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.engines.containers import Containers
    from buildr.engines.images import Images
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

json_option = (
    option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print id, digest, reference, layers and seconds as JSON; the digest is that of a push.",
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
    json_option,
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
    as_json: bool,
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
    if as_json and sbom == "-":
        raise click.UsageError("--json and --sbom - both write to standard output: name a file.")

    def build_image(_signals: Signals) -> int:
        if sbom:
            from buildr.sbom.document import check_library

            check_library()  # before a build that may take minutes
        return build_target(
            context,
            target,
            request,
            lambda engine, project, built: _report(engine, project, built, sbom, as_json),
        )

    context.exit(exit_status_of(build_image))


class Built(Struct, frozen=True, kw_only=True):
    """An image, and how it came about."""

    image: str
    digest: str
    """That of a push; empty: not known, or not pushed."""
    seconds: float


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
    report: Callable[[Backend, Project, Built], None],
) -> int:
    """Build, and publish if asked for; return the command's status.

    Args:
        context: of the command.
        target: what to build.
        request: how.
        report: called with the engine, the project and the image.

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
            started = time.monotonic()
            made = build_and_publish(engine, project, say, cache=request.cache)
            seconds = time.monotonic() - started
            report(engine, project, Built(image=made.image, digest=made.digest, seconds=seconds))
        finally:
            engine.close()
    return 0


def print_json(engine: Images, project: Project, built: Built) -> None:
    """Print what was built as a document."""
    stored = engine.image(built.image)
    document = {
        "id": built.image,
        "digest": built.digest or None,
        "reference": project.reference,
        "layers": stored.layers if stored else None,
        "seconds": round(built.seconds, 3),
    }
    click.echo(json_text(document))


def _report(
    engine: Backend, project: Project, built: Built, sbom: str | None, as_json: bool
) -> None:
    image = built.image
    listed = _sbom_of(engine, project.reference, image) if sbom else ""
    if sbom and sbom != "-":
        _write(sbom, listed)
    elif sbom:
        click.echo(listed)
        return
    if as_json:
        print_json(engine, project, built)
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
