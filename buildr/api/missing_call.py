"""Reports at the end of a script that it never called its decorated function.

It does so only if that is certain: the script ran to its end, and its source mentions the function only in its
definition.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from buildr.guest.detection import detect
from buildr.host import console
from buildr.host.files import SCRIPT_BYTES, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def report(functions: Sequence[Callable[..., object]]) -> None:
    """Report a decorated function that the script never called, unless that may be intended.

    Args:
        functions: the decorated functions, at least one, none of which was called.
    """
    # The script ended with an exception, or a prompt follows (`python -i`).
    if hasattr(sys, "last_value") or sys.flags.interactive or detect().inside:
        return
    files = {_file_of(function) for function in functions}
    path = files.pop()
    if files or not path:
        return
    try:
        source = read_file(path, SCRIPT_BYTES)
        missed = never_named(source, [function.__name__ for function in functions])
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    if missed:
        console.say(
            f"{os.path.basename(path)} has not called {missed[-1]}(), so nothing ran in a container."
            f' Its last lines should be\nif __name__ == "__main__":\n    {missed[-1]}()'
        )


def never_named(source: bytes, names: Iterable[str]) -> list[str]:
    """Return the functions that a script's source mentions only in their definitions.

    Args:
        source: the source of the script, in its declared encoding.
        names: the names of the decorated functions.

    Raises:
        SyntaxError: it is not valid Python.
        ValueError: it has a NUL character.
    """
    import ast

    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            named.add(node.id)
        elif isinstance(node, ast.Attribute):
            named.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named.add(node.value)  # such as globals()["main"]
        elif (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and len(node.decorator_list) > 1
        ):
            named.add(node.name)  # another decorator may register it
    return [name for name in names if name not in named]


def _file_of(function: Callable[..., object]) -> str | None:
    code = getattr(function, "__code__", None)
    return None if code is None else code.co_filename
