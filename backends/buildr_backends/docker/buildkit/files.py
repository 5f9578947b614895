"""The files of a build for BuildKit: first a list, then only the files that it requests.

The protocol is fsutil's, in the service ``moby.filesync.v1.FileSync``: https://github.com/tonistiigi/fsutil
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.errors import ContextError
from buildr_backends.docker.buildkit.grpc import INTERNAL, RefusedError
from buildr_backends.docker.buildkit.protobuf import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from buildr.archive.files import ArchiveFile

_STAT, _REQUEST, _DATA, _FINISHED = range(4)
"""Kinds of packets; any other reports an error."""
_SECOND = 10**9  # nanoseconds

# Bits of Go's os.FileMode: https://pkg.go.dev/io/fs#FileMode
_TYPES = {"dir": 1 << 31, "symlink": 1 << 27, "file": 0}


class Transfer:
    """A request for files: a `buildr_backends.docker.buildkit.grpc.Call`.

    Args:
        files: all files, depth first, with the names in the order of their bytes.
        on_error: called with the reason why a file cannot be sent.
    """

    def __init__(
        self, files: Sequence[ArchiveFile], on_error: Callable[[ContextError], None]
    ) -> None:
        self._files = files
        self._on_error = on_error
        self._finished = False
        self._asked: set[int] = set()

    @property
    def done(self) -> bool:
        """Whether the other side has everything that it needs."""
        return self._finished

    def start(self) -> Iterable[bytes]:
        """Return the list of files."""
        for file in self._files:
            yield encode({1: _STAT, 2: described(file)})
        yield encode({1: _STAT})

    def message(self, data: bytes) -> Iterable[bytes]:
        """Answer a request for one file, or the end."""
        try:
            fields = dict(decode(data))
        except ValueError as error:
            raise RefusedError(INTERNAL, str(error)) from None
        kind, number = fields.get(1, _STAT), fields.get(3, 0)
        if kind == _FINISHED:
            self._finished = True
            return [encode({1: _FINISHED})]
        if kind != _REQUEST or not isinstance(number, int) or number >= len(self._files):
            raise RefusedError(INTERNAL, "not a request for a file")
        # Who asks without reading the answers would fill the memory with them.
        if number in self._asked:
            raise RefusedError(INTERNAL, "the same file a second time")
        self._asked.add(number)
        return self._content(number)

    def _content(self, number: int) -> Iterator[bytes]:
        file = self._files[number]
        if file.kind != "file":
            raise RefusedError(INTERNAL, "what was asked for is not a file")
        try:
            for chunk in file.read():
                yield encode({1: _DATA, 3: number, 4: chunk})
        except ContextError as error:
            self._on_error(error)
            raise RefusedError(INTERNAL, "a file cannot be sent") from None
        yield encode({1: _DATA, 3: number})


def described(file: ArchiveFile) -> bytes:
    """Return fsutil's description of a file, which belongs to root."""
    mode = file.mode | _TYPES[file.kind]
    return encode({1: file.path, 2: mode, 5: file.size, 6: file.time * _SECOND, 7: file.link})
