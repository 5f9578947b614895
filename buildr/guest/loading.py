"""Importing the script in the guest, and finding the function that is to be called.

The script is imported, from its own place and under its own name; one that the host has as ``__main__`` is
``__mp_main__`` here, as `multiprocessing` has it, so that ``if __name__ == "__main__":`` is passed by, and `pickle` finds
its classes as those of ``__main__`` all the same.
"""

from __future__ import annotations

import os
import sys

from buildr.errors import BuildrError
from buildr.guest.shadows import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAIN = "__mp_main__"
"""The name of the script's module."""


class LoadError(BuildrError):
    """The function is not in the image."""


_loaded: dict[str, Any] = {}  # by the head; a script is imported once


def load(head: dict[str, Any]) -> Any:
    """Import the script, unless that has been done, and return the function.

    Args:
        head: the request's: ``module``, ``path`` or ``spec``, ``function``, ``of_class``.
    """
    key = repr([head.get(part) for part in ("module", "path", "spec", "function", "of_class")])
    if key not in _loaded:
        _loaded[key] = _load(head)
    return _loaded[key]


def _load(head: dict[str, Any]) -> Any:
    name = head["module"]
    if head["path"]:
        module = _from_path(name, head["path"])
    else:
        sys.path.insert(0, os.getcwd())
        guard()
        sys.argv[:] = [head["spec"]]
        module = _from_name(name, head["spec"])
    public = sys.modules.get("buildr")
    found = getattr(public, "_decorated", {}).get((name, head["function"]))
    if found is not None and not head.get("of_class"):
        return found
    found = module
    for part in head["function"].split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            text = "there is no %s in %s as the container has it"
            raise LoadError(text % (head["function"], module.__file__)) from None
    return found


def _from_path(name: str, path: str) -> Any:
    import importlib.machinery
    import importlib.util

    if os.path.isdir(path):
        sys.path.insert(0, path)
        path = os.path.join(path, "__main__.py")
    else:
        sys.path.insert(0, os.path.dirname(path))
    guard()
    sys.argv[:] = [path]
    if not os.path.isfile(path):
        raise LoadError(
            "the script %s is not in the container" % path,
            hint="With a dockerfile of your own, let it COPY the script there.",
        )
    loader = importlib.machinery.SourceFileLoader(name, path)
    spec: Any = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    if name == MAIN:
        module.__package__ = None  # as `python script` has it
    _register(name, module)
    loader.exec_module(module)
    return module


def _from_name(name: str, wanted: str) -> Any:
    import importlib

    if name != MAIN:
        return importlib.import_module(name)
    import importlib.util

    spec: Any = importlib.util.find_spec(wanted)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(wanted + ".__main__")
    if spec is None:
        raise LoadError("the module %s is not in the container" % wanted)
    code = spec.loader.get_code(spec.name)
    module = type(sys)(name)
    module.__file__ = spec.origin
    module.__package__ = spec.parent
    module.__spec__ = spec
    module.__loader__ = spec.loader
    sys.argv[:] = [spec.origin]
    _register(name, module)
    exec(code, module.__dict__)  # noqa: S102 - as `python -m` does
    return module


def _register(name: str, module: Any) -> None:
    sys.modules[name] = module
    if name == MAIN:
        sys.modules["__main__"] = module
