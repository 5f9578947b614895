"""Finds the file or module that the guest imports to get a function."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from buildr.errors import EntryError
from buildr.guest.loading import MAIN
from buildr.host.interpreter import own_options
from buildr.plan.entry import Entry, is_installed, running_entry

if TYPE_CHECKING:
    from collections.abc import Callable

_HINT = (
    "Put it into a file of the project, at the top level of a module, and import it from there:"
    " what is imported can be called with .remote() from a prompt, a notebook or a test, too."
)


class Target(Struct, frozen=True, kw_only=True):
    """A function, as the guest finds it."""

    entry: Entry
    """The program whose image contains the function."""
    module: str
    """The name of its module in the guest."""
    name: str
    """The name of the function in its module: ``Class.method``."""
    function: Any
    """The function itself; a bound method stays bound."""
    of_class: bool = False
    """Whether it is a class method, which the guest finds bound to its class."""


def find(function: Callable[..., Any], *, named: bool) -> Target:
    """Find the definition of a function.

    Args:
        function: the function.
        named: whether the user named a context.

    Raises:
        EntryError: it is not defined in a file, or cannot be found by name.
    """
    plain = getattr(function, "__func__", function)
    owner = getattr(function, "__self__", None)
    of_class = plain is not function and isinstance(owner, type)
    # A class method may be inherited from a class in another module.
    module = str(getattr(owner if of_class else plain, "__module__", None) or "")
    name = str(getattr(plain, "__qualname__", ""))
    if isinstance(owner, type) and of_class:
        name = f"{owner.__qualname__}.{plain.__name__}"
    if not name or "<" in name:
        what = "it has no name" if not name else "it is defined inside another function"
        raise EntryError(f"the container cannot find {name or repr(function)}: {what}", hint=_HINT)
    if module == "__main__":
        try:
            entry = running_entry()
        except EntryError as error:
            raise EntryError(
                f"the container cannot find {name}: {error.what}", hint=_HINT
            ) from None
        return Target(
            entry=replace(entry, arguments=(), interactive=False),
            module=MAIN,
            name=name,
            function=function,
            of_class=of_class,
        )
    entry = _imported(module, name, named=named)
    return Target(entry=entry, module=module, name=name, function=function, of_class=of_class)


def _imported(module: str, function: str, *, named: bool) -> Entry:
    """Return a module as a program.

    Args:
        module: its name.
        function: for errors.
        named: whether the user named a context.
    """
    file = getattr(sys.modules.get(module), "__file__", None)
    where = f"the container cannot find {function}: its module {module}"
    if not file or not os.path.isfile(file):
        raise EntryError(f"{where} has no file", hint=_HINT)
    path = os.path.abspath(file)
    if path.endswith((".pyc", ".so")):
        raise EntryError(f"{where} has no source, only {path}", hint=_HINT)
    if is_installed(path) and not named:
        raise EntryError(
            f"{where} is installed, at {path}, and not part of a project",
            hint=_HINT + " Or name the folder to send: context=… in package.",
        )
    inner = (
        os.path.dirname(path) if os.path.basename(path) == "__init__.py" else path[: -len(".py")]
    )
    tail = "/" + module.replace(".", "/")
    # If names and folders do not match, as with pytest's importmode=importlib, only the file counts.
    if inner.endswith(tail) and (inner != path[: -len(".py")] or "." in module):
        root = inner.removesuffix(tail) or "/"
        return Entry(
            kind="module",
            script=path,
            module=module,
            import_root=root,
            interpreter=own_options(),
        )
    return Entry(kind="script", script=path, interpreter=own_options())
