"""``buildr base``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command, completing, option
from buildr.cli.options import backend_option, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.host.signals import Signals

_RELEASES = ("bookworm", "trixie")
_CHUNK = 1 << 20
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+", re.ASCII)  # Debian Policy, 5.6.1
_own_options = (
    option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write it as an archive, for `podman load -i` or `docker load -i` on another host.  [default: load it into"
        " the engine here]",
    ),
    option(
        "--release",
        type=click.Choice(_RELEASES),
        metavar="|".join(_RELEASES),
        help="Debian's release.  [default: this machine's, else bookworm]",
        shell_complete=completing(*_RELEASES),
    ),
    option(
        "--include",
        multiple=True,
        metavar="PACKAGE,…",
        help="Further packages of Debian, such as gcc,libpq-dev; repeatable.",
    ),
    option(
        "--mirror",
        metavar="URL",
        help="Of Debian's packages.  [default: that of this machine's apt]",
    ),
    option(
        "--tag",
        "name",
        metavar="IMAGE",
        help="Name of the image.  [default: localhost/buildr/offline-base:RELEASE-pythonVERSION]",
    ),
    option("--force", is_flag=True, help="Make it again if the engine has it already."),
    option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
)


@click.command(cls=Command, short_help="Make a base image where no registry can be reached.")
@options(backend_option, _own_options)
@click.pass_context
def base(  # noqa: PLR0913, PLR0917 - click passes each option by its name
    context: click.Context,
    backend: str | None,
    output: str | None,
    release: str | None,
    include: tuple[str, ...],
    mirror: str | None,
    name: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Make a base image of Debian's packages, for hosts that reach no registry.

    It needs mmdebstrap and a mirror of Debian's, and takes about half a minute. The result is a local base with
    Debian's Python, not the official Python image. Its name is printed: BUILDR_BASE_IMAGE, or base_image,
    makes Buildr use it.
    """
    import tempfile

    from buildr.engines import registry
    from buildr.errors import BuildrError
    from buildr.host import console
    from buildr.host.exit_status import exit_status_of
    from buildr.image import offline_base
    from buildr.options.reference import parse_reference

    packages = _packages(include)

    def say(text: str) -> None:
        if not quiet:
            console.say(text)

    def make(archive: str, chosen: str, reference: str) -> None:
        say(f"making {reference} from Debian's packages (about half a minute)")
        try:
            offline_base.make(
                archive, chosen, mirror=mirror or "", name=reference, include=packages
            )
        except offline_base.OfflineBaseError as error:
            raise BuildrError(error.what, hint=error.hint) from None
        except OSError as error:
            raise BuildrError(
                f"{archive} cannot be written: {error.strerror}",
                hint="Name another file, or make room.",
            ) from None

    def operation(_signals: Signals) -> int:
        chosen = release or offline_base.default_release()
        reference = (
            str(parse_reference(name).normalised())
            if name
            else offline_base.reference(chosen, packages)
        )
        if output is not None:
            make(os.path.abspath(output), chosen, reference)
            say(f"wrote {output}; on the other host: podman load -i, or docker load -i")
            click.echo(reference)
            return 0
        engine = registry.connect(registry.choose(flag=backend), say)
        try:
            if engine.image(reference) is not None and not force:
                say(f"{engine.info.backend} has {reference} already; --force makes it again")
            else:
                with tempfile.TemporaryDirectory(prefix="buildr-base-") as folder:
                    archive = os.path.join(folder, "image.tar")
                    make(archive, chosen, reference)
                    engine.load(_chunks(archive), reference)
                say(f"{engine.info.backend} has it now: export BUILDR_BASE_IMAGE={reference}")
        finally:
            engine.close()
        click.echo(reference)
        return 0

    context.exit(exit_status_of(operation))


def _packages(include: tuple[str, ...]) -> list[str]:
    packages = [word for words in include for word in words.split(",")]
    for word in packages:
        if not _PACKAGE.fullmatch(word):
            text = f"{word!r} is not the name of a package."
            raise click.BadParameter(text, param_hint="--include")
    return packages


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from iter(lambda: file.read(_CHUNK), b"")
