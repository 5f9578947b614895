"""Writes an inventory as a CycloneDX document in JSON (ECMA-424), with the library of the CycloneDX project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr._version import __version__
from buildr.errors import BuildrError

if TYPE_CHECKING:
    from buildr.sbom.inventory import Installed, Inventory

_ECOSYSTEMS = {"pypi": "python", "deb": "debian", "apk": "alpine"}


def check_library() -> None:
    """Check that the library is installed.

    Raises:
        BuildrError: it is not installed.
    """
    from importlib.util import find_spec

    if find_spec("cyclonedx") is None:
        raise BuildrError(
            "a list of what is in an image needs the package cyclonedx-python-lib, which is not installed",
            hint="pip install 'buildr-oci[sbom]', or: pip install cyclonedx-python-lib",
        )


def render_sbom(inventory: Inventory, *, reference: str, image: str, created: int = 0) -> str:
    """Return the document, the same each time for the same image.

    Args:
        inventory: what is installed.
        reference: the image's name.
        image: its id, ``sha256:…``.
        created: the date that it bears, in seconds since the epoch.

    Raises:
        BuildrError: the library is not installed.
    """
    check_library()
    from datetime import UTC, datetime
    from uuid import NAMESPACE_URL, uuid5

    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    licenses = LicenseFactory()
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"{reference} {image}"))
    bom.metadata.timestamp = datetime.fromtimestamp(created, UTC)
    bom.metadata.tools.components.add(
        Component(name="buildr", version=__version__, type=ComponentType.APPLICATION)
    )
    subject = Component(
        name=reference, version=image, type=ComponentType.CONTAINER, bom_ref=f"image:{image}"
    )
    bom.metadata.component = subject
    for package in inventory.packages:
        purl = PackageURL(
            type=package.kind,
            namespace=inventory.distribution or _ECOSYSTEMS[package.kind]
            if package.kind != "pypi"
            else None,
            name=package.name,
            version=package.version,
            qualifiers=_qualifiers(package, inventory),
        )
        where = f"{purl}#{package.path}" if package.path else str(purl)
        bom.components.add(
            Component(
                name=package.name,
                version=package.version,
                type=ComponentType.LIBRARY,
                purl=purl,
                bom_ref=where,  # a package may be installed twice, in two folders
                licenses=[licenses.make_from_string(package.license)] if package.license else [],
                properties=[Property(name="buildr:path", value=package.path)]
                if package.path
                else [],
            )
        )
    bom.register_dependency(subject, bom.components)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)


def _qualifiers(package: Installed, inventory: Inventory) -> dict[str, str]:
    """Return the qualifiers that the definitions of these types name (purl-spec, PURL-TYPES)."""
    if package.kind == "pypi":
        return {}
    found = {"arch": package.architecture}
    if inventory.release:
        found["distro"] = f"{inventory.distribution}-{inventory.release}"
    return {name: value for name, value in found.items() if value}
