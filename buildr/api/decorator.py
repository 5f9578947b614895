"""The decorator: `Containerize`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from buildr.api.containerized import Containerized
from buildr.api.decoration import Decoration, never_called
from buildr.errors import BuildrError
from buildr.options import complete_package, complete_runtime, read_package, read_runtime
from buildr.plan.entry import is_main_script

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.options import PackageOptions, RuntimeOptions
    from buildr.options.typed_dicts import PackageDict, RuntimeDict

P = ParamSpec("P")
R = TypeVar("R")


@overload
def Containerize(function: Callable[P, R], /) -> Containerized[P, R]: ...


@overload
def Containerize(
    function: None = None,
    /,
    *,
    package: PackageOptions | PackageDict | None = None,
    runtime: RuntimeOptions | RuntimeDict | None = None,
) -> Callable[[Callable[P, R]], Containerized[P, R]]: ...


def Containerize(  # noqa: N802 - Metaparticle's name, which scripts know
    function: Callable[..., Any] | None = None,
    /,
    *,
    package: PackageOptions | PackageDict | None = None,
    runtime: RuntimeOptions | RuntimeDict | None = None,
    **others: Any,
) -> Any:
    """Make a call of this function run the whole script in a container.

    ::

        @Containerize(package={"name": "hello"}, runtime={"ports": [8080]})
        def main() -> None:
            print("hello from the container")

    Args:
        function: when used without parentheses.
        package: how the image is built; see `buildr.PackageOptions`.
        runtime: how the container runs; see `buildr.RuntimeOptions`.
        others: not accepted; the error names the group to which each belongs.

    Raises:
        OptionError: an option has a wrong name, type or value, or belongs to neither group. When the decorated function is in the script
            itself, the error is printed without a traceback and the process ends with status 125 instead.
    """
    module = getattr(function, "__module__", None) or _caller_module()
    try:
        if others or not (function is None or _can_be_decorated(function)):
            from buildr.api.misplaced_options import misplaced

            raise misplaced(function, others)
        valid_package, valid_runtime = read_package(package), read_runtime(runtime)
        # Required options may be given elsewhere, but options that exclude each other are always an error.
        complete_package(valid_package, alone=False)
        complete_runtime(valid_runtime)
    except BuildrError as error:
        if is_main_script(module):
            from buildr.api.ending import fail

            fail(error)
        raise

    def decorate(target: Callable[..., Any]) -> Containerized[..., Any]:
        if is_main_script(module):
            _expect_a_call(target)
        return Containerized(target, Decoration(valid_package, valid_runtime))

    return decorate if function is None else decorate(function)


def _can_be_decorated(given: object) -> bool:
    return callable(given) or isinstance(given, classmethod)


def _expect_a_call(function: Callable[..., Any]) -> None:
    """Report a script that ends without calling any decorated function."""
    script = sys.modules["__main__"]

    def report() -> None:
        # It may be another module by then, if `runpy` or the like runs the script.
        if never_called and sys.modules.get("__main__") is script:
            from buildr.api import missing_call

            missing_call.report(never_called)
            never_called.clear()  # only once, even if this was registered again after a call

    if not never_called:
        import atexit

        atexit.register(report)
    never_called.append(function)


def _caller_module() -> str:
    return str(sys._getframe(2).f_globals.get("__name__", ""))  # noqa: SLF001 - like the module warnings
