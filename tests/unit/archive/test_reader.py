"""Foreign archives: read like tarfile does, in bounded memory; anything else is refused."""

from __future__ import annotations

import tarfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildr.archive.reader import ArchiveError, TarReader
from buildr.host.limits import EXTENDED_HEADER, EXTENDED_HEADERS
from tests.fuzz.targets import archives

FORMATS = [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]
NAMES = [
    "plain",
    "folder/file with a blank",
    "d" * 90 + "/" + "n" * 90,
    "ü/漢",
    "e" * 3000,
]


def archive(form: int, names: list[str]) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for index, name in enumerate(names):
            info = tarfile.TarInfo(name)
            data = bytes([index]) * (index * 700)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, names[0]
        tar.addfile(link)
    return buffer.getvalue()


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 511, 10_000_000])
@pytest.mark.parametrize("form", FORMATS)
def test_archives_are_read_as_tarfile_reads_them(form: int, size: int) -> None:
    names = NAMES[:3] if form == tarfile.USTAR_FORMAT else NAMES
    data = archive(form, names)
    if form == tarfile.USTAR_FORMAT:
        names = names[:3]
    found = []
    for member in (reader := TarReader(cut(data, size))):
        found.append((member.path, member.link, b"".join(reader.content())))
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        expected = [
            (
                info.name,
                info.linkname,
                file.read() if (file := tar.extractfile(info)) and info.isreg() else b"",
            )
            for info in tar
        ]
    assert found == expected


def test_unrequested_content_is_skipped() -> None:
    data = archive(tarfile.PAX_FORMAT, NAMES)
    assert [member.path for member in TarReader(cut(data, 100))] == [*NAMES, "link"]


def test_content_is_read_up_to_a_bound() -> None:
    reader = TarReader([archive(tarfile.PAX_FORMAT, NAMES)])
    sizes = [reader.read(1000) for member in reader if member.is_file]
    assert [None if data is None else len(data) for data in sizes] == [0, 700, None, None, None]


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_an_extended_header_of_any_length_is_not_kept(kind: bytes) -> None:
    given = 0

    def chunks() -> object:
        nonlocal given
        yield header(kind, 1 << 32)
        while True:
            given += 1 << 16
            yield bytes(1 << 16)

    with pytest.raises(ArchiveError, match="too long"):
        list(TarReader(chunks()))  # type: ignore[arg-type]  # a generator of bytes
    assert given <= EXTENDED_HEADER


@pytest.mark.parametrize("kind", [b"x", b"g", b"L"])
def test_the_number_of_extended_headers_is_limited(kind: bytes) -> None:
    one = header(kind, 512) + b"20 path=" + b"y" * 11 + b"\n" + bytes(492)
    data = (header(kind, 20) + b"20 path=" + b"y" * 11 + b"\n" + bytes(492)) * (
        EXTENDED_HEADERS + 1
    )
    assert one
    with pytest.raises(ArchiveError, match="too many"):
        list(TarReader([data + header(b"0", 0)]))


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8b" + bytes(510),
        b"<html>" + bytes(506),
        header(b"0", 100)[:-1],
        header(b"0", 100) + b"x" * 99,
        header(b"0", 0)[:124] + b"-1" + header(b"0", 0)[126:],
        header(b"0", 0).replace(b"x", b"y", 1),
        bytes(1024) + b"more",
        header(b"x", 10) + b"0 path=x\n" + bytes(503),
        header(b"x", 10) + b"99 path=x\n" + bytes(502),
        header(b"x", 8) + b"8 pathx\n" + bytes(504),
        header(b"x", 11) + b"11 size=-1\n" + bytes(501) + header(b"0", 0),
    ],
)
def test_data_that_is_not_a_tar_archive_is_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        list(TarReader([data]))


def test_a_sparse_file_has_no_content() -> None:
    info = tarfile.TarInfo("x")
    info.pax_headers = {"GNU.sparse.major": "1"}
    old = header(b"S", 0)
    for data in (info.tobuf(tarfile.PAX_FORMAT), old):
        (member,) = TarReader([data])
        assert not member.is_file


@given(st.binary(max_size=3000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    archives(data)
