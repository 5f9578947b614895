"""Calls of single functions in a fake container: the request of ``main.remote(...)``, and the possible answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from buildr.guest import transfer
from buildr.guest.call import describe, perform, write
from buildr.guest.loading import MAIN
from buildr.layout import CALL

if TYPE_CHECKING:
    from buildr.testing.container import FakeContainer


class FakeCall:
    """A call that a guest has to answer, by one of the methods; each returns the exit status.

    Attributes:
        function: the function's name, ``Class.method``.
        args: positional arguments.
        kwargs: named ones.
    """

    def __init__(self, container: FakeContainer) -> None:
        self._container = container
        self._place = container.argv[-1]
        request = transfer.parse(container.stdin.read())
        if request is None:
            raise ValueError("the request for a call broke off")
        self._head, self._payload = request
        self.function: str = self._head["function"]
        self.args: tuple[Any, ...]
        self.kwargs: dict[str, Any]
        seen: list[Any] = []
        perform(lambda *args, **kwargs: seen.extend((args, kwargs)), self._head, self._payload)
        self.args, self.kwargs = seen

    def run(self) -> int:
        """Let the function itself run, here and now, with this process's own streams."""
        return self._answer(perform(self._found(), self._head, self._payload))

    def returns(self, value: Any) -> int:
        """Return a value, by the rules that hold for the function's own."""
        return self._answer(perform(lambda *_args, **_kwargs: value, self._head, self._payload))

    def raises(self, error: BaseException) -> int:
        """Raise an exception."""
        return self._answer(describe(error))

    def _found(self) -> Any:
        from buildr.api.containerized import Containerized

        module = "__main__" if self._head["module"] == MAIN else self._head["module"]
        found: Any = sys.modules[module]
        for part in self.function.split("."):
            found = getattr(found, part)
        while not isinstance(found, Containerized) and hasattr(found, "__wrapped__"):
            found = found.__wrapped__  # of another decorator on top
        return found.local if isinstance(found, Containerized) else found

    def _answer(self, answer: tuple[dict[str, Any], bytes]) -> int:
        mounts = {mount.target: mount.source for mount in self._container.spec.mounts}
        if self._place in mounts:
            write(mounts[self._place], answer)
        else:
            self._container.files[self._place] = transfer.message(*answer)
        return 0 if answer[0]["kind"] == "value" else 1


def call_in(container: FakeContainer) -> FakeCall | None:
    """Return the call that a container was started for; ``None`` where it runs a script."""
    return FakeCall(container) if CALL in container.argv else None
