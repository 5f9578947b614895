"""User files named like modules that Buildr needs, such as a ``queue.py`` beside the script.

Python finds the script's own folder first, so Buildr's own imports, and those of its libraries, would get such a file, and run it.
With `guard` each side gets its own: what is imported from the user's folders gets the user's files, everything else what it
was written for. Where there is no such file nothing changes; the hook is there only if there is one.

It is the first thing that Buildr imports, and so imports nothing that is not built in, or loaded anyway.
"""

import builtins
import os
import sys
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Collection, Optional

LIBRARIES = frozenset(
    (
        *("certifi", "charset_normalizer", "click", "cyclonedx", "docker", "dotenv", "idna"),
        *("jinja2", "markdown_it", "markupsafe", "mdurl", "msgspec", "packaging", "podman"),
        *("h2", "hpack", "hyperframe", "pygments", "requests", "rich", "urllib3", "yaml"),
    )
)
"""Modules that Buildr needs beyond the standard library, and their own dependencies, by import name."""

_OWN = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_STANDARD = os.path.dirname(os.path.abspath(os.__file__))
_LOADED = frozenset(sys.modules)  # everything imported since belongs to Buildr
_SOURCES = (".py", ".pyc", ".so")


class _Guard(object):
    """The hook behind ``import``, once there is a file to guard against."""

    def __init__(self) -> None:
        self.names: "frozenset[str]" = frozenset()
        self.front: "list[str]" = []
        self.aside: "dict[str, ModuleType]" = {}
        self._lock = RLock()
        self._depth = 0
        self._lent = False
        self._import: "Any" = builtins.__import__

    def install(self) -> None:
        if builtins.__import__ is self._import:
            builtins.__import__ = self._hook  # type: ignore[assignment] # typeshed has stricter names

    def _hook(
        self,
        name: str,
        globals: "Optional[dict[str, Any]]" = None,  # noqa: A002 - the names of `__import__`
        locals: "Optional[dict[str, Any]]" = None,  # noqa: A002 - the names of `__import__`
        fromlist: "Collection[str]" = (),
        level: int = 0,
    ) -> "Any":
        full = name if not level else str((globals or {}).get("__package__") or "")
        top = full.partition(".")[0]
        if top not in self.names:
            return self._import(name, globals, locals, fromlist, level)
        if self._is_users(_importer(globals or {})):
            self._take_back()
            return self._import(name, globals, locals, fromlist, level)
        with self._lock:
            self._take_back()
            path = sys.path[:]
            # A library may be found by the user's PYTHONPATH alone; the standard library never is.
            last = self.front if top in LIBRARIES else []
            sys.path[:] = [entry for entry in path if entry not in self.front] + last
            self._swap(1)
            try:
                return self._import(name, globals, locals, fromlist, level)
            finally:
                sys.path[:] = path
                # C code looks into `sys.modules` for what it has imported (PyImport_Import), and gives a list here.
                self._lent = self._depth == 1 and isinstance(fromlist, list)
                if not self._lent:
                    self._swap(-1)

    def _take_back(self) -> None:
        """Restore the user's modules if the last import was by C code."""
        with self._lock:
            if self._lent:
                self._lent = False
                self._swap(-1)

    def _is_users(self, file: str) -> bool:
        """Whether a module is in one of the user's folders, or in none."""
        theirs = max((len(entry) for entry in self.front if _is_below(file, entry)), default=-1)
        others = (entry for entry in (_OWN, *sys.path) if entry and entry not in self.front)
        return theirs >= max((len(entry) for entry in others if _is_below(file, entry)), default=-1)

    def _swap(self, step: int) -> None:
        """Replace the modules of one side by those of the other."""
        before, self._depth = self._depth, self._depth + step
        if before and self._depth:
            return
        found = {name: sys.modules.pop(name) for name in list(sys.modules) if self.protects(name)}
        sys.modules.update(self.aside)
        self.aside = found

    def protects(self, name: str) -> bool:
        return name.partition(".")[0] in self.names


def _importer(variables: "dict[str, Any]") -> str:
    """Return the file of the module that imports: of code that was made at run time, a template's say, that of what runs it."""
    frame = None
    while True:
        file = str(variables.get("__file__") or "")
        if getattr(variables.get("__spec__"), "origin", "") == "frozen":
            return os.path.join(_STANDARD, "frozen")
        if os.path.isabs(file):
            return file
        frame = sys._getframe(3) if frame is None else frame.f_back  # noqa: SLF001 - like the module warnings
        if frame is None:
            return file
        variables = frame.f_globals


_guard = _Guard()


def guard() -> None:
    """Look for such files in the folders that Python searches before its own, and guard against those that there are."""
    front = _front()
    names = set()
    for folder in front:
        names |= _shadowing(folder)
    names -= _guard.names
    for name in tuple(names):
        module = sys.modules.get(name)
        if module is None or _is_users(module, front):
            continue
        if name in _LOADED:
            names.discard(name)  # every import gets this one
    if not names:
        return
    _guard.front += [folder for folder in front if folder not in _guard.front]
    _guard.names |= names
    for name in list(sys.modules):
        if name.partition(".")[0] in names and not _is_users(sys.modules[name], front):
            _guard.aside[name] = sys.modules.pop(name)
    _guard.install()


def _front() -> "list[str]":
    """Return the entries before the standard library in `sys.path`."""
    found: "list[str]" = []
    for entry in sys.path:
        folder = os.path.abspath(entry)
        if folder == _STANDARD or entry.endswith(".zip"):
            return found
        if folder != _OWN:
            found.append(entry)
    return []


def _shadowing(folder: str) -> "set[str]":
    try:
        files = os.listdir(folder or ".")
    except OSError:
        return set()
    known = getattr(sys, "stdlib_module_names", None) or _listed()  # since 3.10
    found = set()
    for file in files:
        name, dot, _ = file.partition(".")
        if name not in known and name not in LIBRARIES:
            continue
        is_package = not dot and os.path.exists(os.path.join(folder, name, "__init__.py"))
        if is_package or file.endswith(_SOURCES):
            found.add(name)
    return found.difference(sys.builtin_module_names)


def _listed() -> "set[str]":
    folders = (_STANDARD, os.path.join(_STANDARD, "lib-dynload"))
    return {
        file.partition(".")[0]
        for folder in folders
        if os.path.isdir(folder)
        for file in os.listdir(folder)
    }


def _is_users(module: "ModuleType", front: "list[str]") -> bool:
    file = getattr(module, "__file__", None) or ""
    return any(_is_below(file, folder) for folder in front)


def _is_below(file: str, folder: str) -> bool:
    return file.startswith(os.path.join(folder, "")) or (not folder and not os.path.isabs(file))
