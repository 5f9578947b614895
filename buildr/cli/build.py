"""``buildr build``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct, structs

from buildr.cli.command import Command, completing, option
from buildr.cli.documents import Documents, document_options
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

    from buildr.engines.protocol import Backend
    from buildr.host.signals import Signals
    from buildr.image.publish import Built
    from buildr.plan.project import Project

no_cache_option = (
    option(
        "--no-cache",
        is_flag=True,
        section=BUILD,
        help="Build every step again, whatever is stored.",
    ),
)

_twice = (
    option(
        "--check-reproducible",
        "twice",
        is_flag=True,
        section=BUILD,
        help="Build twice, without a cache, and fail where the two images differ.",
    ),
)


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False, shell_complete=completing("file"))
@options(
    module_option,
    function_option,
    build_options,
    no_cache_option,
    _twice,
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

    def report(engine: Backend, project: Project, built: Built) -> None:
        documents.write(engine, project, built, say_of(project))
        if not documents.on_output:
            quiet = project.package.quiet
            click.echo(built.named if quiet else f"{project.reference} {built.named}")

    def build_image(_signals: Signals) -> int:
        documents.check()
        return build_target(context, target, request, report)

    context.exit(exit_status_of(build_image))


class Request(Struct, frozen=True, kw_only=True):
    """How a command line asks to build, beside options."""

    backend: str | None
    cache: bool = True
    publish: bool = False
    """Whether it is pushed, whatever the options say."""
    twice: bool = False
    """Whether it is built twice, to see that it is the same each time."""


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
    from buildr.image.publish import How, build_and_publish
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
            how = How(cache=request.cache, twice=request.twice)
            report(engine, project, build_and_publish(engine, project, say, how))
        finally:
            engine.close()
    return 0


def say_of(project: Project) -> Callable[[str], None]:
    """Return what says to the user how a build goes on."""
    from buildr.host import console

    return console.say_nothing if project.package.quiet else console.say
