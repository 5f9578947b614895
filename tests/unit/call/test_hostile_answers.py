"""A guest that answers with anything: the cost for the host is bounded, and the program is neither ended nor misled."""

from __future__ import annotations

import itertools
import json
import os
import resource
import tarfile
import threading
import types
from typing import TYPE_CHECKING, Any, cast

import pytest

from buildr.call import result
from buildr.engines.container_spec import ContainerSpec
from buildr.errors import EngineError, RemoteError, TransferError
from buildr.guest import frames, transfer
from buildr.guest.call import describe
from buildr.host.limits import CALL_REPORT
from buildr.runners.pipes import Pipes
from buildr.runners.result_file import ResultFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO, Self

    from buildr.engines.containers import Containers

TARGET: Any = types.SimpleNamespace(name="f", module="m", function=lambda: 0)
LIMIT = 1 << 20
MEMORY = 300 << 20  # bytes; a literal of 4 MiB took 2 GB


def read(head: dict[str, object], data: bytes) -> Any:
    message = transfer.message(head, data)[: LIMIT + result.HEAD_BYTES + 1]
    return result.read(message, TARGET, pickled=False, limit=LIMIT, hide=lambda report: report)


def report(**changed: object) -> bytes:
    plain = {
        "builtin": "ValueError",
        "type": "ValueError",
        "text": "x",
        "traceback": "t",
        "notes": [],
        "arguments": [],
        "state": {},
    }
    return json.dumps({**plain, **changed}).encode()


def raised(**changed: object) -> BaseException:
    with pytest.raises(Exception) as caught:
        read({"kind": "error"}, report(**changed))
    return caught.value


@pytest.fixture
def _little_memory() -> Iterator[None]:
    """Limit the process's additional memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


SIZE = CALL_REPORT - 400
LARGE = {
    "a list": [1] * (SIZE // 3),
    "lists": [[]] * (SIZE // 4),
    "tables": [{}] * (SIZE // 4),
    "a text": "(" * SIZE,
}


@pytest.mark.usefixtures("_little_memory")
@pytest.mark.parametrize("field", ["arguments", "notes", "state"])
@pytest.mark.parametrize("what", LARGE)
def test_a_report_of_any_size_takes_bounded_memory(what: str, field: str) -> None:
    error = raised(**{field: LARGE[what]})
    assert isinstance(error, TransferError | ValueError)


@pytest.mark.parametrize(
    "arguments",
    [
        [["tuple", 3]],
        [["eval", "1"]],
        [[]],
        [{"a": 1}],
        [["bytes", "\u20ac"]],
        [["dict", [[["list", []], 1]]]],
        "abc",
        7,
    ],
    ids=repr,
)
def test_arguments_of_another_form_are_not_read(arguments: object) -> None:
    error = raised(arguments=arguments)
    assert isinstance(error, TransferError) or error.args == ("a", "b", "c")


def test_arguments_that_are_nested_deeply_are_not_read() -> None:
    nested: list[Any] = ["list", []]
    for _ in range(300):
        nested = ["list", [nested]]
    assert isinstance(raised(arguments=[nested]), TransferError)


@pytest.mark.parametrize(
    "value",
    [(1, b"\xff", None, True, 1.5), {"k": ["v", ()], b"x": {1: 2}}, "text", [], -7],
    ids=repr,
)
def test_arguments_survive_a_round_trip(value: object) -> None:
    head, data = describe(ValueError(value))
    with pytest.raises(ValueError) as caught:
        read(head, data)
    assert caught.value.args == (value,)


@pytest.mark.parametrize(
    "value",
    [object(), float("nan"), 1 << 20_000, "x" * 5000, [0] * 2000, {"a": {1, 2}}],
    ids=lambda value: type(value).__name__,
)
def test_arguments_that_cannot_travel_make_it_a_remote_error(value: object) -> None:
    head, data = describe(ValueError(value))
    assert len(data) < CALL_REPORT
    with pytest.raises(RemoteError, match="f raised ValueError"):
        read(head, data)


def test_a_report_of_much_text_still_travels() -> None:
    error = ValueError("\U0001f600" * 100_000)
    for _ in range(200):
        error.add_note("\U0001f600" * 100_000)
    head, data = describe(error)
    with pytest.raises(RemoteError, match="characters left out"):
        read(head, data)


@pytest.mark.parametrize(
    "state", [{"add_note": "x"}, {"with_traceback": "x"}, {"args": "x"}, {"__class__": "x"}]
)
def test_attributes_of_an_exception_are_kept(state: dict[str, str]) -> None:
    error = raised(state=state, notes=["look"])
    assert type(error) is ValueError
    assert error.args == ()
    assert error.__notes__ == ["look"]
    assert callable(error.with_traceback)


@pytest.mark.parametrize("text", ["[NaN]", "Infinity", "-Infinity"])
def test_a_result_beyond_json_is_refused(text: str) -> None:
    with pytest.raises(TransferError, match="cannot be read"):
        read({"kind": "value"}, text.encode())


def test_the_text_of_a_remote_error_controls_no_terminal() -> None:
    escape = "\x1b]0;pwned\x07\x1b[2J"
    error = raised(builtin="", type=escape, text=escape, traceback=f"a\n{escape}", notes=[escape])
    assert isinstance(error, RemoteError)
    for text in (str(error), error.traceback, *error.__notes__):
        assert "\x1b" not in text
        assert "\\x1b]0;pwned\\x07" in text


def test_an_endless_first_line_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "parse", pytest.fail)
    with pytest.raises(TransferError, match="not an answer"):
        result.read(
            b"[" * (1 << 20) + b"\n",
            TARGET,
            pickled=False,
            limit=LIMIT,
            hide=lambda report: report,
        )


# The way it comes ---------------------------------------------------------------------------------------


class Guest:
    """The other end of a worker's FIFOs: a thread that writes the given data and ends."""

    def __init__(self, pipes: Pipes, write: Callable[[BinaryIO], None]) -> None:
        mount = pipes.into(ContainerSpec(image="i")).mounts[-1]
        assert mount.read_only
        self.place = os.path.join(mount.source, frames.ANSWERS)
        self.refused = False
        self._write = write
        self.ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        os.close(self.ended)

    def _serve(self) -> None:
        with open(self.place, "wb", buffering=0) as file:
            try:
                self._write(file)
            except BrokenPipeError:
                self.refused = True
        os.close(self._end)


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        frames.HEAD.pack(frames.ANSWER, LIMIT + 1),
        frames.HEAD.pack(frames.ANSWER, (1 << 64) - 1),
        frames.HEAD.pack(frames.CALL, 0),
    ],
    ids=["no frame", "too large", "far too large", "another frame"],
)
@pytest.mark.usefixtures("_little_memory")
def test_an_answer_takes_no_disk_space_and_is_limited(begin: bytes) -> None:
    def write(file: BinaryIO) -> None:
        file.write(begin)
        file.writelines(itertools.repeat(b"x" * (1 << 16)))

    with Pipes() as pipes:
        with Guest(pipes, write) as guest:
            assert pipes.exchange((b"request",), LIMIT, guest.ended) is None
            assert os.stat(guest.place).st_size == 0
            assert os.stat(guest.place).st_blocks == 0
        assert guest.refused
    assert not os.path.exists(guest.place)


def test_an_answer_can_be_read_after_the_writer_has_gone() -> None:
    data = b"two" * 100_000

    def write(file: BinaryIO) -> None:
        frames.write(file.fileno(), frames.READY)
        frames.write(file.fileno(), frames.ANSWER, data)

    with Pipes() as pipes, Guest(pipes, write) as guest:
        found = pipes.exchange((b"request",), LIMIT, guest.ended)
        assert found is not None
        assert (found[0], bytes(found[1])) == (frames.ANSWER, data)
        assert pipes.exchange((b"request",), LIMIT, guest.ended) is None


def test_an_unread_request_ends_with_the_worker() -> None:
    with Pipes() as pipes, Guest(pipes, lambda _file: None) as guest:
        assert pipes.exchange((bytes(4 << 20),), LIMIT, guest.ended) is None


class Engine:
    """An engine that returns an archive."""

    def __init__(self, *chunks: bytes, endless: bytes = b"") -> None:
        self._chunks = chunks
        self._endless = endless
        self.given = 0

    def get_archive(self, _container: str, _path: str) -> Iterator[bytes]:
        """Give it."""
        yield from self._chunks
        while self._endless:
            self.given += len(self._endless)
            yield self._endless


def fetched(engine: Engine) -> bytes:
    result = ResultFile(ContainerSpec(image="i"), most=100_000)
    result.fetch(cast("Containers", engine), "c")
    return result.data


def member(name: str, size: int, data: bytes, **pax: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.pax_headers = pax
    return info.tobuf(tarfile.PAX_FORMAT) + data + bytes(-len(data) % 512)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildr.runners.result_file._PAUSE_SECONDS", 0)


def test_an_archive_with_one_file_is_read_as_its_content() -> None:
    assert fetched(Engine(member("r", 5, b"hello") + bytes(1024))) == b"hello"


def test_an_endless_archive_is_abandoned() -> None:
    engine = Engine(endless=b"x" * 4096)
    assert fetched(engine) == b"."
    assert engine.given < 200_000


def test_a_sparse_file_is_not_filled() -> None:
    table = b"1\n%d\n512\n" % ((1 << 40) - 512)
    data = table + bytes(512 - len(table)) + b"x" * 512
    sparse = {"major": "1", "minor": "0", "name": "r", "realsize": str(1 << 40)}
    pax = {f"GNU.sparse.{key}": value for key, value in sparse.items()}
    assert fetched(Engine(member("./GNUSparseFile.0/r", 1024, data, **pax) + bytes(1024))) == b""


def test_a_compressed_archive_is_refused() -> None:
    import gzip

    assert fetched(Engine(gzip.compress(member("r", 5, b"hello") + bytes(1024)))) == b""


def test_an_engine_that_refuses_is_an_error() -> None:
    class Refusing(Engine):
        def get_archive(self, _container: str, _path: str) -> Iterator[bytes]:
            raise EngineError("no", status=500)

    with pytest.raises(EngineError):
        fetched(Refusing())
