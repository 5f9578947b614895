"""The documents that describe an image: ``--sbom`` and ``--provenance`` of ``buildr build`` and ``buildr push``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from msgspec import Struct

from buildr.cli.command import option
from buildr.cli.options import BUILD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.engines.protocol import Backend
    from buildr.plan.project import Project

__all__ = ["Built", "Documents", "document_options"]

_STANDARD_OUTPUT = "-"
_SBOM_TYPE = "application/vnd.cyclonedx+json"

document_options = (
    option(
        "--sbom",
        metavar="FILE",
        section=BUILD,
        help="Write what is installed in the image to FILE, as CycloneDX in JSON; - is standard output."
        " With a push, it is also stored in the registry.",
    ),
    option(
        "--provenance",
        metavar="FILE",
        section=BUILD,
        help="Write SLSA v1 provenance to FILE; - is standard output. With a push, it is also stored in the registry.",
    ),
)


class Built(Struct, frozen=True, kw_only=True):
    """An image and its build."""

    image: str
    digest: str
    """That of a push; empty: not known, or not pushed."""
    seconds: float


class Documents(Struct, frozen=True, kw_only=True):
    """The destinations of documents: paths, or ``-``."""

    sbom: str | None
    provenance: str | None

    def __bool__(self) -> bool:
        """Whether any document is requested."""
        return bool(self.sbom or self.provenance)

    @property
    def on_output(self) -> bool:
        """Whether a document goes to standard output, which then has nothing else."""
        return _STANDARD_OUTPUT in (self.sbom, self.provenance)

    def check(self) -> None:
        """Check that they can be created, before a build that may take minutes.

        Raises:
            BuildrError: a package is missing, or both go to standard output.
        """
        from buildr.errors import BuildrError

        if self.sbom == self.provenance == _STANDARD_OUTPUT:
            raise BuildrError(
                "--sbom and --provenance cannot both go to standard output",
                hint="Name a file for one of them.",
            )
        if self.sbom:
            from buildr.sbom.document import check_library

            check_library()

    def write(
        self, engine: Backend, project: Project, built: Built, say: Callable[[str], None]
    ) -> None:
        """Write the documents; if the image was pushed, also to its registry.

        Raises:
            BuildrError: one cannot be written, or the registry refuses.
        """
        from buildr.engines.artifact import Artifact

        if self and project.package.publish and not built.digest:
            say(
                "neither the engine nor the registry reports the image's digest, so nothing is attached"
            )
        for flag, path, kind, text in self._rendered(engine, project, built):
            if path == _STANDARD_OUTPUT:
                click.echo(text)
            else:
                _write(path, text, flag)
            if built.digest:
                name = f"{flag.removeprefix('--')}.json"
                artifact = Artifact(kind=kind, name=name, data=text.encode())
                engine.add_referrer(project.reference, built.digest, artifact)
                say(f"attached {name} to {built.digest}")

    def _rendered(
        self, engine: Backend, project: Project, built: Built
    ) -> Iterator[tuple[str, str, str, str]]:
        """Yield flag, path, media type and text of each."""
        if self.sbom:
            import json

            from buildr.host.documents import json_text
            from buildr.image.stamp import date_of
            from buildr.sbom.document import render_sbom
            from buildr.sbom.inventory import read_inventory

            found = render_sbom(
                read_inventory(engine, built.image),
                reference=project.reference,
                image=built.image,
                created=date_of(project),
            )
            yield "--sbom", self.sbom, _SBOM_TYPE, json_text(json.loads(found))
        image = engine.image(built.image) if self.provenance else None
        if self.provenance and image is not None:
            from buildr.image.provenance import MEDIA_TYPE, render_provenance

            text = render_provenance(project, image, engine.info, built.digest)
            yield "--provenance", self.provenance, MEDIA_TYPE, text


def _write(path: str, text: str, flag: str) -> None:
    from buildr.errors import BuildrError

    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError as error:
        raise BuildrError(
            f"{path} cannot be written: {error.strerror}", hint=f"Name another file for {flag}."
        ) from None
