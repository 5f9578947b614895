"""``buildr build``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct, structs

from buildr.cli.command import Command, option
from buildr.cli.completions import complete_script
from buildr.cli.documents import Built, Documents, document_options
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
_check_reproducible = (
    option(
        "--check-reproducible",
        "twice",
        is_flag=True,
        section=BUILD,
        help="Build twice without a cache, and exit with status 1 if the images differ.",
    ),
)


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False, shell_complete=complete_script)
@options(
    module_option,
    function_option,
    build_options,
    no_cache_option,
    json_option,
    _check_reproducible,
    document_options,
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
    twice: bool,
    sbom: str | None,
    provenance: str | None,
    backend: str | None,
    **values: Any,
) -> None:
    """Build the image of a script, without running it.

    Prints the image's name and its id; with --quiet only the id. What is stored already is not
    built again. The options are those of the decorator, too, which is read and not run.
    """
    from buildr.host.exit_status import exit_status_of

    target = Target(context, values, script=script, module=module, function=function)
    documents = Documents(sbom=sbom, provenance=provenance)
    request = Request(backend=backend, cache=not no_cache, twice=twice)
    if as_json and documents.on_output:
        raise click.UsageError(
            "--json and a document to - both write to standard output: name a file."
        )

    def report(engine: Backend, project: Project, built: Built) -> None:
        documents.write(engine, project, built, say_of(project))
        if as_json:
            print_json(engine, project, built)
        elif not documents.on_output:
            quiet = project.package.quiet
            click.echo(built.image if quiet else f"{project.reference} {built.image}")

    def build_image(_signals: Signals) -> int:
        documents.check()
        return build_target(context, target, request, report)

    context.exit(exit_status_of(build_image))


class Request(Struct, frozen=True, kw_only=True):
    """The settings of a build beside options."""

    backend: str | None
    cache: bool = True
    publish: bool = False
    """Whether it is pushed, whatever the options say."""
    twice: bool = False
    """Whether it is built twice first, to see that it is the same each time."""


def build_target(
    context: click.Context,
    target: Target,
    request: Request,
    report: Callable[[Backend, Project, Built], None],
) -> int:
    """Build, and publish if requested; return the command's status.

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
        say = say_of(project)
        choices = choose(
            resolved.settings,
            backend=request.backend,
            builder=resolved.given.package.get("builder"),
        )
        engine = registry.connect(choices.builder, say)
        try:
            if request.twice and not _is_reproducible(engine, project, say):
                return 1
            started = time.monotonic()
            made = build_and_publish(engine, project, say, cache=request.cache)
            seconds = time.monotonic() - started
            report(engine, project, Built(image=made.image, digest=made.digest, seconds=seconds))
        finally:
            engine.close()
    return 0


def print_json(engine: Images, project: Project, built: Built) -> None:
    """Print the result as a document."""
    stored = engine.image(built.image)
    document = {
        "id": built.image,
        "digest": built.digest or None,
        "reference": project.reference,
        "layers": stored.layers if stored else None,
        "seconds": round(built.seconds, 3),
    }
    click.echo(json_text(document))


def _is_reproducible(engine: Backend, project: Project, say: Callable[[str], None]) -> bool:
    from buildr.host import console
    from buildr.image.publish import verbosity
    from buildr.image.reproducible import build_twice

    found = build_twice(engine, project, say, verbosity(project.package))
    if not found.differences:
        say(f"reproducible: two builds gave the same image, {found.image}")
        return True
    console.say(f"two builds of {project.reference} differ in:")
    for line in found.differences:
        console.say(f"  {line}")
    console.say(
        "a reproducible image needs a lock with hashes, and a base image that is pinned by digest"
    )
    return False


def say_of(project: Project) -> Callable[[str], None]:
    """Return the function that reports a build to the user."""
    from buildr.host import console

    return console.say_nothing if project.package.quiet else console.say
