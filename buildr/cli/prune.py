"""``buildr prune``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command, option
from buildr.cli.engines import engines_option, reached
from buildr.cli.options import options
from buildr.cli.output import echo

if TYPE_CHECKING:
    from buildr.host.signals import Signals

_own_options = (
    option(
        "--cache",
        "with_cache",
        is_flag=True,
        help="Also remove the caches of wheels and of home directories (cache_home).",
    ),
    option("-n", "--dry-run", is_flag=True, help="Only say what would be removed."),
    option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
)


@click.command(cls=Command)
@options(engines_option, _own_options)
@click.pass_context
def prune(
    context: click.Context, backend: str | None, with_cache: bool, dry_run: bool, quiet: bool
) -> None:
    """Remove what killed runs and builds left behind.

    That is builds, containers and temporary files whose host process has certainly gone, containers that `buildr run --keep`
    has left, detached ones that have ended, and images of Buildr's without a name.
    Runs that are alive, and whatever is not Buildr's, stay as they are. With --cache the downloads and built wheels go, too,
    that installations keep for one another, and the home directories that runs with cache_home keep.
    """
    from itertools import chain

    from buildr.host import console, temporary
    from buildr.host.exit_status import exit_status_of
    from buildr.leftovers.build_lock import alone
    from buildr.leftovers.prune import builds, caches, containers, images, remove

    def operation(_signals: Signals) -> int:
        status = 0
        if not dry_run:
            temporary.sweep()
        with reached(backend) as engines, alone() as no_build_runs:
            if not no_build_runs:
                console.say("images stay for now: a build is running, or its lock cannot be taken")
            for engine in engines:
                # Images last: the others use them.
                found_images = images(engine) if no_build_runs or dry_run else iter(())
                found_caches = caches(engine) if with_cache else iter(())
                for found in chain(builds(engine), containers(engine), found_images, found_caches):
                    refusal = None if dry_run else remove(engine, found)
                    if refusal:
                        if not refusal.in_use:
                            status = 1
                        echo(
                            f"{found.text} on {engine.info.backend} stays: {refusal.why}", err=True
                        )
                    elif not quiet:
                        verb = "would remove" if dry_run else "removed"
                        echo(f"{verb} {found.text} on {engine.info.backend}")
        return status

    context.exit(exit_status_of(operation))
