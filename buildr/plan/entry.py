"""The program that was started on the host, which the guest runs again: script or module, and arguments."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from buildr.errors import EntryError
from buildr.host import start
from buildr.host.files import read_head
from buildr.host.interpreter import own_arguments, own_options

if TYPE_CHECKING:
    from types import ModuleType

_WAYS = (
    "What works: `python app.py`, `python -m package.module`, and `buildr run app.py` for any script,"
    " decorated or not. A function that was imported from a module runs in a container from anywhere:"
    " main.remote(...)."
)


class Entry(Struct, frozen=True, kw_only=True):
    """A program that can be started again in a container."""

    kind: Literal["script", "module"]
    script: str
    """The absolute path of the file (or the directory with a ``__main__.py``); empty for a module that only the image
    has.
    """
    module: str = ""
    """The name after ``python -m``."""
    import_root: str = ""
    """For a module: the absolute path of the directory of its package."""
    arguments: tuple[str, ...] = ()
    """The arguments of the script: ``sys.argv[1:]``."""
    directory: str = ""
    """The absolute path of the initial directory; empty: the current one."""
    interactive: bool = False
    """Whether the interpreter continues after the script (``python -i``, IPython's ``%run``)."""
    interpreter: tuple[str, ...] = ()
    """Options of Python itself: ``-O``, ``-X dev``, ``-W error``."""

    def __post_init__(self) -> None:
        """Refuse text that JSON, and so the engines' APIs, cannot represent.

        Raises:
            EntryError: the path of the script or an argument is not UTF-8.
        """
        for what, text in (("path", self.script), *(("argument", word) for word in self.arguments)):
            try:
                text.encode()
            except UnicodeEncodeError:
                raise EntryError(
                    f"the {what} {text!a} is not UTF-8, and engines carry nothing else",
                    hint="Rename the script, or hand such bytes over in a file or on standard input.",
                ) from None

    @property
    def source(self) -> str:
        """The absolute path of the source file; empty if `script` is."""
        is_folder = self.script and os.path.isdir(self.script)
        return os.path.join(self.script, "__main__.py") if is_folder else self.script

    @property
    def directory_of_source(self) -> str:
        """The absolute path of the directory of the source file, or of a module's package."""
        return self.import_root or os.path.dirname(self.source)

    @property
    def stem(self) -> str:
        """A name for the image: that of the script, or of its directory for a ``__main__.py``."""
        if self.module:
            return self.module
        name, _ = os.path.splitext(os.path.basename(self.script))
        if name == "__main__":
            return os.path.basename(os.path.dirname(self.script))
        return name


def script_entry(script: str, arguments: tuple[str, ...] = ()) -> Entry:
    """Return the entry of a named script, as for ``buildr run``.

    Raises:
        EntryError: there is no such script, or Python does not run it from source.
    """
    path = os.path.abspath(script)
    if os.path.isdir(path):
        if not os.path.isfile(f"{path}/__main__.py"):
            raise EntryError(f"{script} is a directory without a __main__.py", hint=_WAYS)
    elif not os.path.isfile(path):
        what = f"there is no script {script}{_near(path)}"
        if os.path.exists(path):
            what = f"the script {script} is not a regular file"
        raise EntryError(what, hint="Give the path of a Python file.")
    elif _is_archive(path):
        raise EntryError(
            f"{script} is a zip archive, which cannot be taken apart for a container",
            hint="Run the source instead. " + _WAYS,
        )
    return Entry(kind="script", script=path, arguments=arguments)


def _near(path: str) -> str:
    """Return a suggestion for a missing path, if there is a script with a similar name."""
    from buildr.options.errors import did_you_mean

    folder, name = os.path.split(path)
    stems: list[str] = []
    with contextlib.suppress(OSError):
        stems = [there[:-3] for there in os.listdir(folder) if there.endswith(".py")]
    return did_you_mean(name.removesuffix(".py"), stems, ".py")


def running_entry() -> Entry:
    """Return the entry of the running program.

    Raises:
        EntryError: it cannot be started again: a REPL, ``-c``, a notebook, a launcher, an archive.
    """
    main = sys.modules["__main__"]
    interactive = bool(sys.flags.interactive) or "get_ipython" in _builtins()
    file = getattr(main, "__file__", None)
    program = sys.argv[0] if sys.argv else ""
    _refuse_what_has_no_script(program, file)
    directory = _start()
    path = os.path.normpath(os.path.join(directory, str(file)))
    _refuse_launchers(path)
    spec = getattr(main, "__spec__", None)
    # `python directory` sets a spec named __main__, `python -m name` one named after the module.
    if spec is not None and spec.name and spec.name != "__main__":
        found = replace(_module(spec.name, path), directory=directory, interactive=interactive)
        arguments = own_arguments(found.module, directory)
        return replace(found, arguments=arguments, interpreter=own_options())
    named = os.path.normpath(os.path.join(directory, program)) if program else ""
    if _is_archive(path) or (os.path.isfile(named) and _is_archive(named)):
        raise EntryError(
            f"{program} is a zip archive, which cannot be taken apart for a container",
            hint="Run the source instead. " + _WAYS,
        )
    if os.path.isdir(named):
        path = named
    return Entry(
        kind="script",
        script=path,
        arguments=own_arguments(path, directory),
        directory=directory,
        interactive=interactive,
        interpreter=own_options(),
    )


def is_main_script(function_module: str) -> bool:
    """Whether a function is defined in the script itself; then an error may end the process."""
    return function_module == "__main__" and not _is_interactive_prompt()


def _module(name: str, path: str) -> Entry:
    depth = name.count(".")
    if name.endswith(".__main__"):  # `python -m package` runs package.__main__
        name = name.removesuffix(".__main__")
    root = os.path.dirname(path)
    for _ in range(depth):
        root = os.path.dirname(root)
    return Entry(
        kind="module",
        script=path,
        module=name,
        import_root=root,
    )


def _start() -> str:
    try:
        return start.directory()
    except FileNotFoundError:
        raise EntryError(
            "the directory in which the script was started does not exist any more",
            hint="Change to one that does, for example with `cd`.",
        ) from None


def _refuse_what_has_no_script(program: str, file: str | None) -> None:
    if program.endswith("ipykernel_launcher.py") or "ipykernel" in sys.modules:
        raise EntryError(
            "a notebook cell is not a script that can move into a container", hint=_WAYS
        )
    if file is not None and os.path.exists(os.path.join(_start(), file)):
        return
    what = "this is an interactive prompt, not a script that can move into a container"
    if program == "-c":
        what = "`python -c` is not a script that can move into a container"
    elif file == "<stdin>":
        what = "a script read from standard input cannot move into a container"
    elif file is not None:
        what = f"the script {file} cannot be found any more"
        if _is_archive(program):
            what = f"{program} is a zip archive, which cannot be taken apart for a container"
    raise EntryError(what, hint=_WAYS)


def _refuse_launchers(path: str) -> None:
    """Refuse launchers such as pytest, uvicorn and console scripts, which are installed programs."""
    if is_installed(path):
        launcher = os.path.basename(path)
        if launcher == "__main__.py":
            launcher = os.path.basename(os.path.dirname(path))
        raise EntryError(
            f"the script was started by {launcher}, which cannot move into a container",
            hint=_WAYS,
        )


def is_installed(path: str) -> bool:
    """Whether a file belongs to an installation of Python, and not to a project."""
    import sysconfig

    installed = {sysconfig.get_path(name) for name in ("scripts", "purelib", "platlib", "stdlib")}
    return any(
        directory and path.startswith(directory.rstrip("/") + "/") for directory in installed
    )


def _is_archive(path: str) -> bool:
    try:
        head = read_head(path, 4096)
    except OSError:
        return False
    # A zipapp may begin with a #! line (PEP 441).
    body = head.partition(b"\n")[2] if head.startswith(b"#!") else head
    return body.startswith(b"PK\x03\x04")


def _is_interactive_prompt() -> bool:
    return hasattr(sys, "ps1") or not hasattr(sys.modules["__main__"], "__file__")


def _builtins() -> dict[str, object]:
    import builtins

    module: ModuleType = builtins
    return vars(module)
