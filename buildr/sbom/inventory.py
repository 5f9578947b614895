"""Lists what is installed in an image: Python packages, and those of Debian or Alpine.

Read from the files of a container that never starts. The formats: "Recording installed projects" (PyPA's
specifications, with the older ``egg-info``), dpkg's ``status`` (Debian policy 5.3), apk's ``installed`` database.
"""

from __future__ import annotations

import re
from email.errors import MessageError
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from buildr.archive.chunks import closing
from buildr.archive.reader import ArchiveError, TarReader
from buildr.errors import EngineLostError
from buildr.host.limits import PACKAGE_HEADERS, PACKAGE_RECORDS, PACKAGES
from buildr.run.helper import helper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from buildr.engines.containers import Containers

_METADATA = re.compile(r"(?:[^/]+\.dist-info/METADATA|[^/]+\.egg-info(?:/PKG-INFO)?)")
_DPKG = re.compile(r"var/lib/dpkg/(?:status|status\.d/[^/.]+)")  # the second: images without dpkg
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_RELEASE = ("etc/os-release", "usr/lib/os-release")
_FIELDS = frozenset(
    ("Package", "Version", "Status", "Architecture", *"PVAL")
)  # what is read of a package of a distribution's


class Installed(Struct, frozen=True, kw_only=True, order=True):
    """One installed package."""

    kind: Literal["pypi", "deb", "apk"]
    """The type of its package URL."""
    name: str
    version: str
    architecture: str = ""
    license: str = ""
    """As the package says it."""
    path: str = ""
    """Of the metadata of a Python package."""


class Inventory(Struct, frozen=True, kw_only=True):
    """Everything that is installed in an image, sorted."""

    packages: tuple[Installed, ...]
    distribution: str = ""
    """``ID`` of os-release(5): ``debian``, ``alpine``."""
    release: str = ""
    """``VERSION_ID`` of os-release(5)."""


def read_inventory(backend: Containers, image: str) -> Inventory:
    """Read the inventory of a stored image.

    Args:
        backend: the engine.
        image: the image's id.

    Raises:
        BackendError: the engine cannot hand the image's files over.
    """
    with helper(backend, image) as container:
        return read_archive(backend.get_archive(container, "/"))


def read_archive(chunks: Iterable[bytes]) -> Inventory:
    """Read the inventory of a root directory, given as a tar archive.

    Raises:
        EngineLostError: it is not an archive, or is truncated.
    """
    packages: set[Installed] = set()
    release: dict[str, str] = {}
    with closing(chunks):
        try:
            for member in (archive := TarReader(chunks)):
                read = _reader(member.path) if member.is_file else None
                data = archive.read(PACKAGE_RECORDS) if read else None
                if read is None or data is None:
                    continue
                if member.path in _RELEASE:
                    release = release or _release(data)
                _add(packages, read(data, member.path))
        except ArchiveError as error:
            raise EngineLostError(f"the image's files cannot be read: {error}") from None
    return Inventory(
        packages=tuple(sorted(packages)),
        distribution=release.get("ID", ""),
        release=release.get("VERSION_ID", ""),
    )


def _add(packages: set[Installed], more: Iterable[Installed]) -> None:
    for found in more:
        packages.add(found)
        if len(packages) > PACKAGES:
            raise ArchiveError(f"there are more than {PACKAGES} packages")


def _reader(path: str) -> Callable[[bytes, str], Iterator[Installed]] | None:
    folder, _, name = path.rpartition("/")
    record = f"{folder.rpartition('/')[2]}/{name}" if name in ("METADATA", "PKG-INFO") else name
    if _METADATA.fullmatch(record):
        return _python
    if _DPKG.fullmatch(path):
        return _debian
    if path in _APK:
        return _alpine
    return _no_packages if path in _RELEASE else None


def _no_packages(data: bytes, path: str) -> Iterator[Installed]:  # noqa: ARG001 - a reader's signature
    return iter(())


def _python(data: bytes, path: str) -> Iterator[Installed]:
    try:
        found = BytesHeaderParser().parsebytes(data[:PACKAGE_HEADERS])
        name, version = str(found["Name"] or "").strip(), str(found["Version"] or "").strip()
        terms = str(found["License-Expression"] or found["License"] or "").strip()
    except (MessageError, ValueError):
        return
    if name and version:
        # Some put the whole text of the licence there.
        terms = terms if len(terms.splitlines()) == 1 and terms != "UNKNOWN" else ""
        yield Installed(kind="pypi", name=name, version=version, license=terms, path=f"/{path}")


def _debian(data: bytes, path: str) -> Iterator[Installed]:
    for fields in _paragraphs(data, r"([!-9;-~]+):[ \t]*(.*)"):
        name, version = fields.get("Package", ""), fields.get("Version", "")
        # One that was removed without its configuration is listed, too; without dpkg there is no state.
        state = fields.get("Status", "install ok installed" if "status.d" in path else "")
        if name and version and state.endswith(" installed"):
            yield Installed(
                kind="deb", name=name, version=version, architecture=fields.get("Architecture", "")
            )


def _alpine(data: bytes, path: str) -> Iterator[Installed]:  # noqa: ARG001 - a reader's signature
    for fields in _paragraphs(data, r"([A-Za-z]):(.*)"):
        if fields.get("P") and fields.get("V"):
            yield Installed(
                kind="apk",
                name=fields["P"],
                version=fields["V"],
                architecture=fields.get("A", ""),
                license=fields.get("L", ""),
            )


def _paragraphs(data: bytes, field: str) -> Iterator[dict[str, str]]:
    """Yield the first line of each field of each paragraph, as far as it is read."""
    for paragraph in re.split(r"\n[ \t]*\n", data.decode(errors="replace")):
        fields: dict[str, str] = {}
        for line in paragraph.split("\n"):
            if (match := re.fullmatch(field, line)) and match[1] in _FIELDS:
                fields.setdefault(match[1], match[2].strip())
        yield fields


def _release(data: bytes) -> dict[str, str]:
    lines = re.findall(r"(?m)^([A-Z_]+)=(.*)$", data.decode(errors="replace"))
    return {name: value.strip().strip("\"'") for name, value in lines}
