"""What Buildr's commands add to click's: options in sections, several usage lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.decorators import FC
    from click.shell_completion import CompletionItem

OTHER = "Other options"
"""The section for all other options, such as ``--help``; shown last."""

_WIDEST_NAME = 25
"""Characters of an option with its value; the help of a longer one begins on the next line."""

_COMPLETED = {"FILE": "file", "DIRECTORY": "dir"}


class Option(click.Option):
    """An option that belongs to a section of the help.

    Args:
        section: the section's heading.
    """

    def __init__(self, *declarations: Any, section: str = OTHER, **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.section = section


class Command(click.Command):
    """A command whose help has sections.

    Args:
        usages: what follows the command's name, one text for each way to call it; empty: as click has it.
    """

    def __init__(self, *arguments: Any, usages: tuple[str, ...] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        # click's mark of lines that are not filled is a backspace; a docstring that has one has to be raw (PEP 257).
        self.help = self.help and self.help.replace("\\b\n", "\b\n")
        self.usages = usages

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage, one line for each way."""
        if not self.usages:
            super().format_usage(ctx, formatter)
            return
        for number, usage in enumerate(self.usages):
            # The second line is aligned with the first.
            formatter.write_usage(ctx.command_path, usage, "Usage: " if number == 0 else " " * 7)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by sections, in the order in which they were declared, in one column."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                section = param.section if isinstance(param, Option) else OTHER
                sections.setdefault(section, []).append(record)
        names = [len(name) for rows in sections.values() for name, _ in rows]
        column = max(length for length in names if length <= _WIDEST_NAME)
        for section in sorted(sections, key=OTHER.__eq__):
            with formatter.section(section if len(sections) > 1 else "Options"):
                rows = [(name.ljust(column), text) for name, text in sections[section]]
                formatter.write_dl(rows, col_max=column)


def completing(*words: str) -> Callable[..., list[CompletionItem]]:
    """Return what completes an argument: those of the words that match; with ``file`` or ``dir``, the shell does."""

    def complete(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        if words in (("file",), ("dir",)):
            return [CompletionItem(begun, type=words[0])]
        return [CompletionItem(word) for word in words if word.startswith(begun)]

    return complete


def _complete_backend(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    from buildr.engines import registry

    return completing(*registry.names(), registry.AUTO)(context, parameter, begun)


def option(*declarations: str, section: str = OTHER, **attributes: Any) -> Callable[[FC], FC]:
    """Declare an option in a section; otherwise like `click.option`.

    A shell completes values that are a file, a directory or a backend.
    """
    metavar = attributes.get("metavar")
    if metavar in _COMPLETED:
        attributes.setdefault("shell_complete", completing(_COMPLETED[metavar]))
    elif not {"--backend", "--builder"}.isdisjoint(declarations):
        attributes["shell_complete"] = _complete_backend
    return click.option(*declarations, cls=Option, section=section, **attributes)
