"""The provenance of an image for policy checks: SLSA provenance v1 in an in-toto statement.

https://slsa.dev/spec/v1.0/provenance, https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md

The statement is not signed; `cosign attest` signs such a file. It says what the image's own labels say of its source and base, so
both agree, and nothing of options that may hold secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from buildr._version import __version__
from buildr.host.documents import json_text
from buildr.options.reference import parse_reference

if TYPE_CHECKING:
    from buildr.engines.records import EngineInfo, Image
    from buildr.plan.project import Project

__all__ = ["MEDIA_TYPE", "render_provenance"]

MEDIA_TYPE = "application/vnd.in-toto+json"
_PREFIX = "org.opencontainers.image."
_BUILDER = (
    "pkg:pypi/buildr-oci"  # a package URL: Buildr runs on anybody's machine, which has no name
)


def render_provenance(project: Project, image: Image, info: EngineInfo, digest: str) -> str:
    """Return the statement, as JSON.

    Args:
        project: what was built.
        image: what came of it.
        info: the engine that built it.
        digest: under which a registry has it, ``sha256:…``; empty: it was not pushed, and its id stands for it.
    """
    algorithm, _, value = (digest or image.id).partition(":")
    found = image.labels
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": _name(project.reference), "digest": {algorithm: value}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"{_BUILDER}#containerfile/v1",
                "externalParameters": _parameters(project),
                "internalParameters": {
                    "engine": {"name": info.backend, "version": info.version},
                },
                "resolvedDependencies": [*_source(found), *_base(found)],
            },
            "runDetails": {
                "builder": {
                    "id": f"{_BUILDER}@{__version__}",
                    "version": {"buildr": __version__, info.backend: info.version},
                },
            },
        },
    }
    return json_text(statement)


def _name(reference: str) -> str:
    return str(replace(parse_reference(reference), tag="", digest=""))


def _parameters(project: Project) -> dict[str, Any]:
    """Return the requested options that affect the image."""
    recipe = project.recipe
    wanted = {
        "command": list(recipe.command),
        "containerfile": project.dockerfile and "the project's own",
        "baseImage": recipe.base_image,
        "dependencies": recipe.dependencies_source,
        "systemPackages": list(recipe.system_packages),
        "user": recipe.user,
    }
    return {name: value for name, value in wanted.items() if value}


def _source(labels: Any) -> list[dict[str, Any]]:
    url, commit = (labels.get(f"{_PREFIX}{name}", "") for name in ("source", "revision"))
    if not commit:
        return []
    return [{"uri": f"git+{url}@{commit}" if url else "git", "digest": {"gitCommit": commit}}]


def _base(labels: Any) -> list[dict[str, Any]]:
    name, digest = (labels.get(f"{_PREFIX}base.{part}", "") for part in ("name", "digest"))
    if not name:
        return []
    algorithm, _, value = digest.partition(":")
    return [{"uri": f"oci://{name}", **({"digest": {algorithm: value}} if value else {})}]
