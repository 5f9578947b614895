"""Extends click's commands: options in sections, several usage lines."""

from __future__ import annotations

import shutil
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
_WIDEST, _NARROWEST = 120, 30
"""Columns of a help: longer lines are hard to read, and shorter ones have no room for words."""
_SENTENCE = 200  # characters
_EVERY = f"{__name__}.every"
"""The key of a context's ``meta`` that asks for every option."""

_COMPLETED = {"FILE": "file", "DIRECTORY": "dir"}


class Option(click.Option):
    """An option that belongs to a section of the help.

    Args:
        section: the section's heading.
    """

    def __init__(self, *declarations: Any, section: str = OTHER, **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.section = section

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the names and the text; of several long names (aliases for users of other tools) only the first."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        names, text = record
        for other in [name for name in self.opts if name.startswith("--")][1:]:
            names = names.replace(f", {other}", "")
        return names, text


class _Formatter(click.HelpFormatter):
    """A help as wide as the terminal; click's own is never wider than 80 columns."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        if width is None:
            columns = shutil.get_terminal_size().columns
            width = max(min(columns, max_width or _WIDEST) - 2, _NARROWEST)
        super().__init__(indent_increment, width, max_width)


class Context(click.Context):
    """A command line that is being read."""

    formatter_class = _Formatter


class Command(click.Command):
    """A command whose help has sections.

    Args:
        usages: what follows the command's name, one text for each way to call it; empty: as click has it.
        essential: the flags that ``--help`` shows, where it leaves the others to ``--help-all``; empty: it shows every one.
    """

    context_class = Context

    def __init__(
        self,
        *arguments: Any,
        usages: tuple[str, ...] = (),
        essential: tuple[str, ...] = (),
        **attributes: Any,
    ) -> None:
        super().__init__(*arguments, **attributes)
        self.essential = essential
        if essential:
            self.params.append(_help_all())
        # click's mark of lines that are not filled is a backspace; a docstring that has one has to be raw (PEP 257).
        self.help = self.help and self.help.replace("\\b\n", "\b\n")
        self.usages = usages

    def get_short_help_str(self, limit: int = _SENTENCE) -> str:
        """Return the first sentence of the help in full: a list of commands wraps it."""
        return super().get_short_help_str(max(limit, _SENTENCE))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; answer a known flag of another tool with the equivalent here."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from buildr.cli.foreign import FLAGS

            if (hint := FLAGS.get(error.option_name)) is None:
                raise
            raise click.UsageError(f"No such option: {error.option_name}. {hint}", ctx) from None

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage, one line per form."""
        if not self.usages:
            super().format_usage(ctx, formatter)
            return
        for number, usage in enumerate(self.usages):
            # The second line is aligned with the first.
            formatter.write_usage(ctx.command_path, usage, "Usage: " if number == 0 else " " * 7)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section, in the order of declaration, in one column."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self._shown_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                section = param.section if isinstance(param, Option) else OTHER
                sections.setdefault(section, []).append(record)
        names = [len(name) for rows in sections.values() for name, _ in rows]
        widest = min(_WIDEST_NAME, formatter.width // 3)
        column = max((length for length in names if length <= widest), default=widest)
        for section in sorted(sections, key=OTHER.__eq__):
            with formatter.section(section if len(sections) > 1 else "Options"):
                rows = [(name.ljust(column), text) for name, text in sections[section]]
                formatter.write_dl(rows, col_max=column)

    def _shown_params(self, ctx: click.Context) -> list[click.Option]:
        found = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        if not self.essential or ctx.meta.get(_EVERY):
            return found
        shown = {*self.essential, "--help-all", "--help"}
        return [param for param in found if not shown.isdisjoint(param.opts)]


def _help_all() -> click.Option:
    def show(ctx: click.Context, _parameter: click.Parameter, given: bool) -> None:
        if given and not ctx.resilient_parsing:
            ctx.meta[_EVERY] = True
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()

    return Option(
        ["--help-all"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show every option and exit.",
    )


def completing(*words: str) -> Callable[..., list[CompletionItem]]:
    """Return completions of an argument: matching words; for ``file`` or ``dir``, the shell completes."""

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
