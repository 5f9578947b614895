"""What is installed in an image, read from its files and written as CycloneDX."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from buildr.errors import BuildrError, EngineLostError
from buildr.sbom.document import render_sbom
from buildr.sbom.inventory import Installed, Inventory, read_archive, read_inventory
from buildr.testing import FakeBackend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SITE = "usr/lib/python3.12/site-packages"
PYTHON = {
    f"{SITE}/rich-14.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: rich\nVersion: 14.0\nLicense: MIT\n\ntext\n",
    f"{SITE}/old.egg-info": "Name: old\nVersion: 1\n",
    f"{SITE}/older.egg-info/PKG-INFO": "Name: older\nVersion: 2\nLicense: UNKNOWN\n",
    f"{SITE}/modern-3.dist-info/METADATA": "Name: modern\nVersion: 3\nLicense-Expression: MIT OR Apache-2.0\n",
    f"{SITE}/wordy-4.dist-info/METADATA": "Name: wordy\nVersion: 4\nLicense: All of it\n        on many lines\n",
    f"{SITE}/broken-5.dist-info/METADATA": "\0\n",
    f"{SITE}/rich/METADATA": "Name: no-package\nVersion: 1\n",
}
DEBIAN = {
    "etc/os-release": 'PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\n',
    "var/lib/dpkg/status": (
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n"
        "Description: first line\n Version: not this\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
        "Package: halfway\nStatus: install ok half-installed\nVersion: 1\n"
    ),
    "var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2024a\nArchitecture: all\n",
    "var/lib/dpkg/status-old": "Package: old\nStatus: install ok installed\nVersion: 1\n",
}
ALPINE = {
    "etc/os-release": "ID=alpine\nVERSION_ID=3.20.1\n",
    "lib/apk/db/installed": "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\nF:lib\nR:ld.so\n\nP:zlib\nV:1.3-r2\n",
}


def archive(files: Mapping[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, text in files.items():
            data = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(f"/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def read(files: dict[str, Any], chunk: int = 777) -> Inventory:
    data = archive(files)
    return read_archive(data[at : at + chunk] for at in range(0, len(data), chunk))


def names(inventory: Inventory) -> list[str]:
    return [f"{one.name} {one.version} {one.license}".strip() for one in inventory.packages]


def test_python_packages_are_read_from_their_metadata() -> None:
    found = read(PYTHON)
    assert names(found) == [
        "modern 3 MIT OR Apache-2.0",
        "old 1",
        "older 2",
        "rich 14.0 MIT",
        "wordy 4",
    ]
    assert {one.kind for one in found.packages} == {"pypi"}
    assert found.packages[-2].path == f"/{SITE}/rich-14.0.dist-info/METADATA"


def test_only_installed_debian_packages_are_read() -> None:
    found = read(DEBIAN)
    assert names(found) == ["libc6 2.36-9", "tzdata 2024a"]
    assert (found.distribution, found.release) == ("debian", "12")


def test_alpines_packages_are_read() -> None:
    found = read(ALPINE)
    assert names(found) == ["musl 1.2.5-r0 MIT", "zlib 1.3-r2"]
    assert (found.distribution, found.release) == ("alpine", "3.20.1")


@pytest.mark.parametrize("chunk", [1, 512, 10**7])
def test_the_archive_may_arrive_in_any_pieces(chunk: int) -> None:
    assert read({**PYTHON, **DEBIAN}, chunk) == read({**PYTHON, **DEBIAN})


def test_a_truncated_archive_is_an_error() -> None:
    data = archive(DEBIAN)
    with pytest.raises(EngineLostError, match="the image's files cannot be read"):
        read_archive([data[:1000]])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*PYTHON, *DEBIAN, *ALPINE]), st.binary(max_size=200)))
def test_any_metadata_gives_a_valid_document(files: dict[str, bytes]) -> None:
    text = render_sbom(read(files), reference="localhost/a:1", image="sha256:" + "0" * 64)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def documented() -> dict[str, Any]:
    inventory = read({**PYTHON, **DEBIAN})
    text = render_sbom(inventory, reference="registry.example.org/me/app:1", image="sha256:abc")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_document_names_the_image_and_every_package_by_its_url() -> None:
    found = documented()
    assert found["metadata"]["component"]["name"] == "registry.example.org/me/app:1"
    assert found["metadata"]["component"]["version"] == "sha256:abc"
    assert sorted(one["purl"] for one in found["components"]) == [
        "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12",
        "pkg:deb/debian/tzdata@2024a?arch=all&distro=debian-12",
        "pkg:pypi/modern@3",
        "pkg:pypi/old@1",
        "pkg:pypi/older@2",
        "pkg:pypi/rich@14.0",
        "pkg:pypi/wordy@4",
    ]


def test_a_duplicate_package_is_listed_twice() -> None:
    twice = tuple(Installed(kind="pypi", name="a", version="1", path=path) for path in ("/x", "/y"))
    text = render_sbom(Inventory(packages=twice), reference="a", image="b")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert len(json.loads(text)["components"]) == 2


def test_the_validator_finds_errors() -> None:
    text = json.dumps({**documented(), "components": [{"type": "nothing"}]})
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is not None


def test_a_missing_library_is_reported_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(BuildrError, match="cyclonedx-python-lib") as missing:
        render_sbom(Inventory(packages=()), reference="a", image="b")
    assert "buildr-oci[sbom]" in missing.value.hint


def test_the_helper_container_never_runs_and_is_removed() -> None:
    class Backend(FakeBackend):
        def get_archive(self, container: str, path: str) -> Iterator[bytes]:
            assert (path, self.runs[0].id) == ("/", container)
            return iter([archive(DEBIAN)])

    backend = Backend()
    image = backend.add_image("a")
    assert names(read_inventory(backend, image.id)) == ["libc6 2.36-9", "tzdata 2024a"]
    assert "start" not in backend.operations
    assert backend.runs[0].removed
