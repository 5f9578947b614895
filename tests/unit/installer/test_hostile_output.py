"""An installation that writes anything: what it costs the host has a bound, and nothing of it reaches the terminal."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildr.engines.streams import STDERR, STDOUT
from buildr.errors import BuildError, EngineLostError
from buildr.host.limits import ADVISED_CHARACTERS, EXTENDED_HEADER, LINE, LINE_CHARACTERS
from buildr.installer import advice, installation, output
from buildr.installer.log import Log
from buildr.installer.secrets import Secrets, find_secret
from buildr.sbom.inventory import read_archive
from tests.fuzz.targets import Lines, logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTHING = Secrets(variables={}, files={}, meanings={}, hidden={})


class Streams:
    """Output of a container: the same piece again and again."""

    def __init__(self, stream: int, piece: bytes, times: int) -> None:
        self._piece = ((stream, memoryview(piece)),)
        self._left = times

    def read(self) -> Any:
        """Give the next piece."""
        self._left -= 1
        return self._piece if self._left >= 0 else ()


def log() -> Log:
    return Log(NOTHING, Lines(), None, "")


def received(stream: int, piece: bytes, times: int, file: Any = None) -> bytes:
    return output.receive(cast("Any", Streams(stream, piece, times)), file or io.BytesIO(), log())


def test_an_endless_line_is_not_kept() -> None:
    shown = log()
    for _ in range(1000):
        shown.add(b"x" * LINE)
    assert len(shown._partial) == LINE
    shown.flush()
    assert [len(line) for line in shown._tail] == [LINE_CHARACTERS]


def test_many_pieces_of_a_line_are_joined_once() -> None:
    shown = log()
    for _ in range(3 * LINE):
        shown.add(b"x")
    assert len(shown._partial) == LINE


def test_the_first_line_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "INSTALLATION_ANSWER", 1 << 16)
    with pytest.raises(BuildError, match="writes into what the installation answers"):
        received(STDOUT, b"x" * 1000, 10_000)


@pytest.mark.parametrize(
    "answer",
    [b"[" * 100_000, b'{"removed": [' + b"[]," * 600_000 + b"[]]}", b'{"removed": 7}', b"x"],
)
def test_an_answer_of_another_form_is_a_build_error(answer: bytes) -> None:
    class Backend:
        def attach(self, _: str, *, tty: bool) -> Any:
            assert not tty
            streams: Any = Streams(STDOUT, answer + b"\n", 1)
            streams.close = streams.close_write = streams.write = lambda *_: None
            return streams

        def start(self, _: str) -> None: ...

        def wait(self, _: str) -> int:
            return 0

    with pytest.raises(BuildError, match="writes into what the installation answers"):
        installation._run(cast("Any", Backend()), "c", (), "/dev/null", log())


def test_the_size_of_an_installation_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "INSTALLED", 1 << 20)
    file = io.BytesIO(b"{}\n")
    with pytest.raises(BuildError, match="they take more than"):
        received(STDOUT, b"{}\n" + b"x" * 10_000, 1000, file)
    assert len(file.getvalue()) <= 1 << 20


def test_a_full_disk_is_one_of_our_errors() -> None:
    with (
        open("/dev/full", "wb", buffering=0) as full,
        pytest.raises(BuildError, match="No space left"),
    ):
        received(STDOUT, b"{}\nxx", 2, full)


@pytest.mark.parametrize("stream", [STDERR])
def test_escapes_of_a_build_are_not_shown(stream: int) -> None:
    shown = Lines()
    kept = Log(NOTHING, shown, None, "")
    text = b"\x1b]0;TITLE\x07\x1b[2J\x1b[H\x1b]52;c;aGk=\x07\x1b]8;;http://evil/\x07click\x1b]8;;\x07 \x9b31m\r\nok\n"
    output.receive(cast("Any", Streams(stream, text, 1)), io.BytesIO(), kept)
    assert shown.texts[1:] == ["click \ufffd31m", "ok"] or shown.texts[-1] == "ok"
    assert "\x1b" not in "".join(shown.texts) + str(kept.failed(1))


# A log that makes expressions take long ----------------------------------------------------------------

WORDS = (
    "find a version that satisfies the requirement ",
    "x (from ",
    "x",
    "a.",
    "-l",
    "ERROR: ",
    " does not appear",
    "ERROR: Cannot install ",
    "Cannot connect to proxy fatal error: a",
    "(from versions: ",
    "Ignored x Requires-Python 3 ",
)


@pytest.mark.parametrize("word", WORDS)
def test_only_the_beginning_of_a_line_is_searched(word: str) -> None:
    line = word * (LINE_CHARACTERS // len(word))
    assert len(advice._short(line)) <= ADVISED_CHARACTERS + 100
    found = advice.advise("\n".join([line] * 40))
    assert len(found.reason) <= 400


def test_the_newest_of_many_versions_is_found() -> None:
    versions = ", ".join(f"1.{number}.0" for number in range(900))
    text = f"ERROR: Could not find a version that satisfies the requirement x==9 (from versions: {versions})"
    assert "the newest version is 1.899.0" in advice.advise(text).reason


# Archives ------------------------------------------------------------------------------------------------


def bomb() -> Iterator[bytes]:
    """Give an archive with one extended header of 4 GiB."""
    info = tarfile.TarInfo("./x")
    info.type, info.size = b"x", 1 << 32
    yield info.tobuf(tarfile.USTAR_FORMAT)
    for number in range(1 << 16):
        assert number << 16 <= EXTENDED_HEADER, "too much was read"
        yield bytes(1 << 16)


def test_an_inventory_of_an_archive_bomb_is_refused() -> None:
    with pytest.raises(EngineLostError, match="extended header"):
        read_archive(bomb())


def test_the_size_of_an_inventory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildr.sbom.inventory.PACKAGES", 10)
    data = b"".join(b"P:p%d\nV:1\n\n" % number for number in range(11))
    info = tarfile.TarInfo("lib/apk/db/installed")
    info.size = len(data)
    with pytest.raises(EngineLostError, match="more than 10 packages"):
        read_archive([info.tobuf(), data, bytes(-len(data) % 512)])


def test_only_the_beginning_of_long_metadata_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildr.sbom.inventory.PACKAGE_HEADERS", 30)
    data = b"Name: x\nVersion: 1\n" + b"a:\n" * 100_000
    info = tarfile.TarInfo("x.dist-info/METADATA")
    info.size = len(data)
    found = read_archive([info.tobuf(), data, bytes(-len(data) % 512)])
    assert [(one.name, one.version) for one in found.packages] == [("x", "1")]


def test_secrets_are_searched_for_in_plain_archives_only(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(bytes(1 << 20)))
    secrets = Secrets(
        variables={}, files={}, meanings={}, hidden={}, sought={"supersecret-value": "k"}
    )
    with pytest.raises(BuildError, match="cannot be searched for secrets"):
        find_secret(str(path), secrets)


@given(st.binary(max_size=300))
def test_any_log_is_shown_as_plain_lines(data: bytes) -> None:
    logs(data)
