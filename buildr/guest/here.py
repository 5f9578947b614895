"""What ``map``, ``starmap``, ``spawn`` and ``executor`` are without containers: the function runs here, one call after the other."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from typing import Any, Iterable


def map(function: Any, *inputs: Any, return_exceptions: bool = False, **_options: Any) -> Any:  # noqa: A001 - its name is the host's
    """Return an iterator of the results that is also a context manager, or an asynchronous one."""
    return starmap(function, zip(*inputs), return_exceptions=return_exceptions)  # noqa: B905 - `strict` came with 3.10


def starmap(
    function: Any, inputs: Iterable[Any], *, return_exceptions: bool = False, **_options: Any
) -> Any:
    """The same, with the arguments of each call as one input."""
    if _is_async(function):
        return _AsyncResults(_awaited(function, inputs, return_exceptions))
    return _Results(_called(function, inputs, return_exceptions))


def spawn(function: Any, *args: Any, **kwargs: Any) -> Future[Any]:
    """Call the function now; return a future that has its result."""
    from concurrent.futures import Future

    future: Future[Any] = Future()
    try:
        value = function(*args, **kwargs)
        if _is_async(function):
            value = _run(value)
        future.set_result(value)
    except Exception as error:  # noqa: BLE001 - raised by `result`
        future.set_exception(error)
    return future


def executor(_function: Any, _max_workers: Any = None) -> Executor:
    """Return an executor that calls everything in one thread."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1)


def _run(coroutine: Any) -> Any:
    """Run a coroutine to its end, even if this thread has a running loop."""
    import asyncio
    import threading

    found = []
    thread = threading.Thread(target=lambda: found.append(_outcome(asyncio.run, coroutine)))
    thread.start()
    thread.join()
    value, error = found[0]
    if error is not None:
        raise error
    return value


def _outcome(function: Any, *args: Any) -> Any:
    try:
        return function(*args), None
    except BaseException as error:  # noqa: BLE001 - raised in the other thread
        return None, error


def _is_async(function: Any) -> bool:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and bool(code.co_flags & 0x80)


def _called(function: Any, inputs: Iterable[Any], return_exceptions: bool) -> Any:
    for args in inputs:
        try:
            result = function(*args)
        except Exception as error:
            if not return_exceptions:
                raise
            result = error
        yield result


async def _awaited(function: Any, inputs: Iterable[Any], return_exceptions: bool) -> Any:
    for args in inputs:
        try:
            result = await function(*args)
        except Exception as error:
            if not return_exceptions:
                raise
            result = error
        yield result


class _Results(object):
    """An iterator with a ``close()``, and a context manager that calls it."""

    def __init__(self, results: Any) -> None:
        self._results = results
        self.close = results.close

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return next(self._results)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _AsyncResults(object):
    """The same for an ``async def``, with an ``aclose()``."""

    def __init__(self, results: Any) -> None:
        self._results = results
        self.aclose = results.aclose

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        return await self._results.__anext__()

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
