"""The report of ``buildr doctor``: a line for each check, with the commands that fix it below."""

from __future__ import annotations

import platform
import textwrap
from typing import TYPE_CHECKING

from buildr._version import __version__
from buildr.errors import terminal_safe
from buildr.host.documents import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.doctor.model import Check, Findings, Status

_MARK = 6  # columns
_NAME = 17
_NARROWEST = 40


def plain(text: str, status: Status) -> str:  # noqa: ARG001 - other painters use it
    """Return the text without colours."""
    return text


def lines(
    findings: Findings, *, width: int, paint: Callable[[str, Status], str] = plain
) -> Iterator[str]:
    """Yield the lines of the report.

    Args:
        findings: the checks.
        width: the width of a line in columns; commands are never wrapped, so that they can be copied.
        paint: colours a status.
    """
    width = max(width, _NARROWEST)
    yield f"buildr {__version__}, Python {platform.python_version()}, {findings.host}"
    yield ""
    for check in findings.checks:
        first, *more = map(terminal_safe, _lines(check, width))
        yield paint(check.status, check.status) + first[len(check.status) :]
        yield from more
    yield ""
    yield _verdict(findings)


def _lines(check: Check, width: int) -> Iterator[str]:
    head = f"{check.status:<{_MARK}}{check.name:<{_NAME}}"
    yield from _filled(check.text, head, " " * (_MARK + _NAME), width)
    indent = " " * _MARK
    for line in check.advice.splitlines() if not check.fix else ():
        yield from _filled(line, indent, indent, width)
    for command in check.fix:
        yield f"{indent}fix: {command}"


def _filled(text: str, first: str, further: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _verdict(findings: Findings) -> str:
    if findings.engine is None:
        return "Scripts cannot run in containers here: no engine can be used."
    if not findings.usable:
        return f"Scripts cannot run in containers here: {findings.engine} answers, but see what failed."
    warnings = sum(check.status != "ok" for check in findings.checks)
    tail = f", with {warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""
    return f"Scripts can run in containers here, by {findings.engine}{tail}."


def as_json(findings: Findings) -> str:
    """Return the findings as JSON."""
    return json_text(
        {
            "version": __version__,
            "host": findings.host,
            "engine": findings.engine,
            "usable": findings.usable,
            "checks": [
                {name: getattr(check, name) for name in check.__struct_fields__}
                for check in findings.checks
            ],
        }
    )
