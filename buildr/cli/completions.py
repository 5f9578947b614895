"""Completion beyond options and files: runs, scripts, sources of mounts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


def complete_run(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Return the ids and the names of runs; nothing if no engine answers."""
    from click.shell_completion import CompletionItem

    from buildr.engines import registry
    from buildr.errors import BuildrError
    from buildr.host import console
    from buildr.run import runs

    found: dict[str, str] = {}
    try:
        choice = registry.choose(flag=context.params.get("backend"))
        for engine in registry.reach(choice, console.say_nothing):
            try:
                for run in runs.find([engine]):
                    if run.is_ours:
                        found[run.short_id] = f"{run.name}, {run.container.status}"
                        found.setdefault(run.name, run.container.status)
            finally:
                engine.close()
    except (BuildrError, OSError):
        pass  # a message would disturb the current input line
    return [
        CompletionItem(word, help=text)
        for word, text in found.items()
        if word and word.startswith(begun)
    ]


def complete_script(
    _context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Return matching Python files; if a folder matches, too, the shell completes all paths."""
    from click.shell_completion import CompletionItem

    folder, name = os.path.split(begun)
    scripts: list[str] = []
    folders = False
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
                    folders = folders or entry.is_dir()
                    if entry.name.endswith(".py"):
                        scripts.append(os.path.join(folder, entry.name))
    except OSError:
        pass
    if folders or not scripts:
        return [CompletionItem(begun, type="file")]
    return [CompletionItem(script) for script in sorted(scripts)]


def complete_mount(
    _context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Let the shell complete only the source of a mount."""
    from click.shell_completion import CompletionItem

    return [] if ":" in begun else [CompletionItem(begun, type="file")]
