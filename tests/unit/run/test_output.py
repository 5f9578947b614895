"""Streams that end early: missing output comes from the engine's log, without duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines.container_spec import ContainerSpec
from buildr.errors import EngineError
from buildr.host.signals import Signals
from buildr.run.loop import run
from buildr.testing import FakeBackend

if TYPE_CHECKING:
    from buildr.engines.streams import Attachment, Output
    from buildr.testing import FakeContainer

LINES = [(number % 2 + 1, b"line %d\n" % number) for number in range(40)]
MANY = [(number % 2 + 1, b"line %d\n" % number + b"." * 900 + b"\n") for number in range(200)]


class Cut:
    """An attachment that ends after some pieces, as if that were all."""

    def __init__(self, real: Attachment, pieces: int) -> None:
        self._real = real
        self._left = pieces

    def read(self) -> Output:
        while found := self._real.read():
            found, self._left = found[: self._left], self._left - len(found[: self._left])
            return found
        return ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Engine(FakeBackend):
    """Cuts the attached streams after some pieces, and may have another log than what was written."""

    def __init__(
        self, pieces: list[tuple[int, bytes]], cut: int, log: list[tuple[int, bytes]] | None = None
    ) -> None:
        super().__init__(lambda container: write(container, pieces))
        self.add_image("image")
        self.cut = cut
        self.log = log
        self.tails: list[int | None] = []

    def attach(self, container: str, *, tty: bool) -> Attachment:
        return Cut(super().attach(container, tty=tty), self.cut)

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> Attachment:
        self.tails.append(tail)
        found = super().logs(
            container, follow=follow, tail=tail, since=since, timestamps=timestamps
        )
        return found if self.log is None else Log(self.log[-tail:] if tail else self.log)


class Log:
    """A log that is made up."""

    def __init__(self, pieces: list[tuple[int, bytes]]) -> None:
        self._pieces = pieces

    def read(self) -> Output:
        found, self._pieces = self._pieces, []
        return [(stream, memoryview(data)) for stream, data in found]

    def write(self, data: bytes | memoryview) -> None:
        """Take nothing."""

    def close_write(self) -> None:
        """Have nothing to end."""

    def close(self) -> None:
        """Have nothing to close."""


def write(container: FakeContainer, pieces: list[tuple[int, bytes]]) -> int:
    for stream, data in pieces:
        (container.stdout if stream == 1 else container.stderr).write(data)
    return 3


def outcome(engine: FakeBackend, capfdbinary: pytest.CaptureFixture[bytes]) -> tuple[bytes, bytes]:
    with Signals() as signals:
        status = run(engine, ContainerSpec(image="image", stdin=False), signals)
    assert status == 3
    found = capfdbinary.readouterr()
    return found.out, found.err


def whole(pieces: list[tuple[int, bytes]]) -> tuple[bytes, bytes]:
    return (
        b"".join(data for stream, data in pieces if stream == 1),
        b"".join(data for stream, data in pieces if stream == 2),
    )


@pytest.mark.parametrize("cut", [0, 1, 2, 17, 39, 40])
def test_missing_output_is_read_from_the_log(
    cut: int, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert outcome(Engine(LINES, cut), capfdbinary) == whole(LINES)


@pytest.mark.parametrize("cut", [0, 150, 199, 200])
def test_long_output_is_compared_by_its_end(
    cut: int, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert outcome(Engine(MANY, cut), capfdbinary) == whole(MANY)


@pytest.mark.parametrize(
    ("pieces", "log"),
    [
        ([(1, b"no end")], [(1, b"no end\n")]),  # as Podman's log has it
        ([(1, b"no end")], [(1, b"no end"), (1, b"\n")]),
        ([(1, b"\xff\n")], [(1, b"\xef\xbf\xbd\n")]),  # and Docker's
        ([(1, b"\xff\n"), (1, b"b\n")], [(1, b"\xef\xbf\xbd\n"), (1, b"b\n")]),
        ([(1, b"a\n"), (1, b"b\n")], [(1, b"b\n")]),  # rotated
        ([(1, b"a\n")], []),
        ([(1, b"a\n")], [(1, b"something else\n"), (1, b"and more\n")]),
    ],
)
def test_a_different_log_adds_nothing(
    pieces: list[tuple[int, bytes]],
    log: list[tuple[int, bytes]],
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert outcome(Engine(pieces, len(pieces), log), capfdbinary) == whole(pieces)


def test_a_single_empty_line_is_not_lost(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert outcome(Engine([(1, b"\n")], 0), capfdbinary) == (b"\n", b"")


def test_an_incomplete_last_line_is_continued_from_the_log(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    pieces = [(1, b"no end"), (1, b"\n"), (1, b"more\n")]
    assert outcome(Engine(pieces, 1), capfdbinary) == whole(pieces)


def test_an_unavailable_log_is_not_an_error(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    engine = Engine(LINES, len(LINES))
    engine.fail("logs", EngineError("this logging driver cannot be read", status=500))
    assert outcome(engine, capfdbinary) == whole(LINES)


def test_different_line_ends_do_not_cause_a_full_read_of_the_log(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Podman moves the ends of lines that were written in pieces when it is asked for the last lines of its log."""
    pieces = [(1, part) for number in range(10_000) for part in (b"line ", b"%d" % number, b"\n")]
    last = (
        b"line 9990\nline 9991line 9992\n\nline 9993\nline 9994\nline 9995line\n 9996\nline 9997\n"
    )
    engine = Engine(pieces, len(pieces), [(1, last + b"line 9998\nline 9999\n")])
    assert outcome(engine, capfdbinary) == whole(pieces)
    assert engine.tails == [10]


@pytest.mark.parametrize(
    "pieces", [[(1, b"\n"), (1, b"a\n"), (2, b"\n"), (1, b"\n"), (1, b"b")], MANY]
)
@pytest.mark.parametrize("change", ["no blank lines", "the middle is missing", "late", "split"])
def test_an_incomplete_log_duplicates_nothing(
    pieces: list[tuple[int, bytes]], change: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = {
        "no blank lines": [piece for piece in pieces if piece[1] != b"\n"],
        "the middle is missing": [*pieces[:1], *pieces[-1:]],  # as journald does that is overrun
        "late": pieces[:-1],
        "split": [(stream, bytes((byte,))) for stream, data in pieces[-20:] for byte in data],
    }[change]
    assert outcome(Engine(pieces, len(pieces), log), capfdbinary) == whole(pieces)
