"""The samples of the documentation: every fenced block of README and of the pages, and what becomes of it.

A comment right before a block says what cannot be seen from it:

- ``<!-- file: app.py -->``: it is a file that the samples after it find in the page's directory;
- ``<!-- run by: tests/unit/test_x.py -->``: a test of its own runs it;
- ``<!-- not run: REASON -->``: nothing does, and why.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = ("python", "pycon", "sh", "console", "toml")
"""What is run, or checked by what reads it."""
SHOWN = ("text", "yaml", "json", "dockerfile", "")
"""What others print or read."""

_BLOCK = re.compile(
    r"(?m)^(?:<!-- (?P<mark>file|run by|not run): (?P<said>.*?) -->\n+)?"
    r"```(?P<language>[\w{}-]*)[^\n]*\n(?P<text>(?s:.*?))^```$"
)


class Sample(Struct, frozen=True, kw_only=True):
    """One block."""

    page: str
    """Its path in the repository."""
    line: int
    language: str
    text: str
    mark: str
    """``file``, ``run by``, ``not run``, or empty."""
    said: str
    """What stands behind the mark."""

    @property
    def name(self) -> str:
        """What a test is named by."""
        return f"{self.page}:{self.line}"


def samples(page: Path) -> list[Sample]:
    """Return the blocks of a page, without those that are directives of the site."""
    text = page.read_text()
    return [
        Sample(
            page=str(page.relative_to(ROOT)),
            line=text.count("\n", 0, match.start("language")) + 1,
            language=match["language"],
            text=match["text"],
            mark=match["mark"] or "",
            said=match["said"] or "",
        )
        for match in _BLOCK.finditer(text)
        if not match["language"].startswith("{")
    ]
