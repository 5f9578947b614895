"""Every error that Buildr raises, in one tree.

::

    BuildrError                      125
    ├── OptionError                  125
    ├── TrustError                   125
    ├── EntryError                   125
    ├── ContextError                 125
    ├── DependencyError              125
    ├── RemoteError                  1
    ├── TransferError                125
    ├── CallTimeoutError             125
    ├── CallCancelledError           125
    └── BackendError                 125
        ├── EngineNotFoundError      125
        ├── EngineUnavailableError   125
        ├── EngineTooOldError        125
        ├── EngineLostError          125
        ├── EngineError              125
        ├── ImageNotFoundError       125
        ├── BuildError               125
        ├── PushError                125
        └── ContainerError           125
            ├── StartError           125
            ├── NotExecutableError   126
            └── CommandNotFoundError 127

The numbers are the exit statuses of the process when the error reaches the top, as those of ``docker run`` and
``podman run``; what is wrong on the command line itself ends with 2. A text says what failed, why, and what to do.

Longer than 250 lines: the whole tree in one place.
"""

from __future__ import annotations

TYPE_CHECKING = False  # see buildr/guest/detection.py
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BackendError",
    "BuildError",
    "BuildrError",
    "CallCancelledError",
    "CallTimeoutError",
    "CommandNotFoundError",
    "ContainerError",
    "ContextError",
    "DependencyError",
    "EngineError",
    "EngineLostError",
    "EngineNotFoundError",
    "EngineTooOldError",
    "EngineUnavailableError",
    "EntryError",
    "ImageNotFoundError",
    "NotExecutableError",
    "OptionError",
    "PushError",
    "RemoteError",
    "StartError",
    "TransferError",
    "TrustError",
]

WRONG_COMMAND_LINE = 2
"""The exit status of a wrong command line, as with Python itself."""

# Characters that control a terminal or make text look different from what it is: C0 and C1 (ECMA-48) without line feed and tab, the
# separators of lines and paragraphs, and what changes the direction of writing (https://www.unicode.org/reports/tr9).
_CONTROLS = {
    code: ascii(chr(code))[1:-1]
    for first, last in (
        (0x00, 0x08),
        (0x0B, 0x1F),
        (0x7F, 0x9F),
        (0x61C, 0x61C),
        (0x200E, 0x200F),
        (0x2028, 0x202E),
        (0x2066, 0x2069),
    )
    for code in range(first, last + 1)
}


def terminal_safe(text: str) -> str:
    r"""Return text without its control characters: ESC is shown as ``\x1b``. Line feeds and tabs stay."""
    return text if text.isprintable() else text.translate(_CONTROLS)


class Term(str):
    """A part of a `Message` that an API and a command line call by different names."""

    __slots__ = ()


class OptionName(Term):
    """The name of an option, as the decorator has it.

    Args:
        option: ``package.tag``.
        path: where in its value: the index in a list, ``.dest`` for a field, ``['KEY']`` for another key.
    """

    __slots__ = ("option", "path")
    option: str
    path: tuple[int | str, ...]

    def __new__(cls, option: str, path: tuple[int | str, ...] = ()) -> OptionName:  # noqa: PYI034 - Self came with 3.11
        """Join the two."""
        steps = [f"[{step}]" if isinstance(step, int) else step for step in path]
        self = super().__new__(cls, "".join((option, *steps)))
        self.option = option
        self.path = path
        return self


class Message(str):
    """Message that names options: it reads as the decorator names them, and a command line can name its flags instead."""

    __slots__ = ("parts",)
    parts: tuple[str, ...]

    def __new__(cls, *parts: str) -> Message:  # noqa: PYI034 - Self came with 3.11
        """Join parts, among which may be `Term` and other texts."""
        flat = tuple(
            piece
            for part in parts
            for piece in (part.parts if isinstance(part, Message) else (part,))
        )
        self = super().__new__(cls, "".join(flat))
        self.parts = flat
        return self

    def reworded(self, word: Callable[[Term], str]) -> Message:
        """Return the same text with each term in other words."""
        return Message(*(word(part) if isinstance(part, Term) else part for part in self.parts))


class BuildrError(Exception):
    """Base of all errors of Buildr.

    Args:
        what: what failed and why; one sentence, no final stop needed.
        hint: what to do about it, naming the choices; may have several lines.

    Attributes:
        exit_code: the exit status of the process when the error is not handled.
    """

    exit_code = 125

    what: str
    hint: str

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__()
        self._say(what, hint)

    @property
    def options(self) -> tuple[str, ...]:
        """The options that the first sentence names, each once: ``package.tag``."""
        parts = self.what.parts if isinstance(self.what, Message) else ()
        return tuple(dict.fromkeys(part.option for part in parts if isinstance(part, OptionName)))

    def __str__(self) -> str:
        """Return the text as it is shown; nothing in it from engines, guests or file names can control a terminal."""
        return terminal_safe(super().__str__())

    def _say(self, what: str, hint: str) -> None:
        """Replace the text."""
        self.what = what
        self.hint = hint
        self.args = (f"{what}\n{hint}" if hint else what,)

    def reword(self, word: Callable[[Term], str]) -> None:
        """Put the terms of the text into the words of another place.

        Args:
            word: returns what a term is called there.
        """
        what, hint = (
            text.reworded(word) if isinstance(text, Message) else text
            for text in (self.what, self.hint)
        )
        self._say(what, hint)


class OptionError(BuildrError, ValueError):
    """An option has a wrong name, type or value.

    Args:
        what: see `BuildrError`.
        hint: see `BuildrError`.
        on_command_line: whether the option was given there; then the exit status is that of a usage error.
    """

    def __init__(self, what: str, *, hint: str = "", on_command_line: bool = False) -> None:
        super().__init__(what, hint=hint)
        if on_command_line:
            self.exit_code = WRONG_COMMAND_LINE


class TrustError(BuildrError):
    """A project's file asks for more than its own folder and a private network, and the user has not agreed to it."""


class EntryError(BuildrError):
    """What was started (a REPL, ``-c``, a launcher) is not a script that can move into a container."""


class ContextError(BuildrError):
    """The files of the context cannot be read, or must not be sent."""


class DependencyError(BuildrError):
    """The dependencies of the script cannot be read."""


class RemoteError(BuildrError):
    """A function called in a container failed there, or ended without a result.

    A built-in exception is raised as itself, with an error of this class as its ``__cause__``.

    Attributes:
        type_name: the exception's class, ``package.module.Class``; empty where there was none.
        traceback: the one that Python would have shown in the container; empty if there was no exception.
        status: the container's exit status where it ended without a result, or that of ``sys.exit`` in the function; else
            ``None``.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        type_name: str = "",
        traceback: str = "",
        status: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(what, hint=hint or traceback)
        self.type_name = type_name
        self.traceback = traceback
        self.status = status


class TransferError(BuildrError):
    """A value cannot travel between host and container: it would arrive changed, or it is too large."""


class CallTimeoutError(BuildrError, TimeoutError):
    """A call exceeded its time limit; its container has been stopped."""


class CallCancelledError(BuildrError):
    """A call was cancelled; its container has been stopped, or never started."""


class BackendError(BuildrError):
    """An engine failed."""


class EngineNotFoundError(BackendError):
    """No engine is installed, or not the one that was named."""


class EngineUnavailableError(BackendError):
    """An engine is there and does not answer."""


class EngineTooOldError(BackendError):
    """The engine's version is older than what Buildr supports."""


class EngineLostError(BackendError):
    """The engine went away, or its answer broke off, while it was needed."""


class EngineError(BackendError):
    """The engine refused a request.

    Attributes:
        status: the HTTP status of the answer, 0 where there was none.
        message: the engine's own words.
    """

    def __init__(self, what: str, *, status: int = 0, message: str = "", hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.status = status
        self.message = message


class ImageNotFoundError(BackendError):
    """The image is not stored by the engine and cannot be pulled."""


class BuildError(BackendError):
    """A step of the build failed.

    Attributes:
        step: the instruction, as the engine names it; empty where it is not known.
    """

    def __init__(self, what: str, *, step: str = "", hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.step = step


class PushError(BackendError):
    """The registry refused the image, or could not be reached."""


class ContainerError(BackendError):
    """The container cannot be created or started."""


class StartError(ContainerError):
    """The engine cannot start the container, because of its options or because it cannot run any."""


class NotExecutableError(ContainerError):
    """The command of the container is there and cannot be executed."""

    exit_code = 126


class CommandNotFoundError(ContainerError):
    """The command of the container is not in the image."""

    exit_code = 127
