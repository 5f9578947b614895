"""``buildr push``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from buildr.cli.build import (
    Request,
    build_target,
    json_option,
    no_cache_option,
    print_json,
    say_of,
)
from buildr.cli.command import Command
from buildr.cli.completions import complete_script
from buildr.cli.documents import Built, Documents, document_options
from buildr.cli.options import (
    backend_option,
    build_options,
    image_options,
    module_option,
    options,
    output_options,
    project_options,
)
from buildr.cli.target import Target, function_option

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from buildr.host.signals import Signals
    from buildr.plan.project import Project


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False, shell_complete=complete_script)
@options(
    module_option,
    function_option,
    build_options,
    no_cache_option,
    json_option,
    document_options,
    image_options,
    backend_option,
    output_options,
    project_options,
)
@click.pass_context
def push(  # noqa: PLR0913, PLR0917 - click passes each option by its name
    context: click.Context,
    /,
    script: str | None,
    module: str | None,
    function: str | None,
    no_cache: bool,
    as_json: bool,
    sbom: str | None,
    provenance: str | None,
    backend: str | None,
    **values: Any,
) -> None:
    """Build the image of a script, and push it to its repository.

    The logins are those of podman and docker. Prints the name under which the registry has it. The
    options are those of the decorator, too, which is read and not run.
    """
    from buildr.host.exit_status import exit_status_of

    target = Target(context, values, script=script, module=module, function=function)
    documents = Documents(sbom=sbom, provenance=provenance)
    request = Request(backend=backend, cache=not no_cache, publish=True)
    if as_json and documents.on_output:
        raise click.UsageError(
            "--json and a document to - both write to standard output: name a file."
        )

    def report(engine: Backend, project: Project, built: Built) -> None:
        documents.write(engine, project, built, say_of(project))
        if as_json:
            print_json(engine, project, built)
        elif not documents.on_output:
            click.echo(project.reference)

    def push_image(_signals: Signals) -> int:
        documents.check()
        return build_target(context, target, request, report)

    context.exit(exit_status_of(push_image))
