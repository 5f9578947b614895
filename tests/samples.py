"""The samples of the documentation: every fenced block of the README and the pages, and how it is tested.

A comment right before a block says how:

- ``<!-- file: app.py -->``: it is a file for the later samples of the page;
- ``<!-- run by: tests/unit/test_x.py -->``: a separate test runs it;
- ``<!-- not run: REASON -->``: no test runs it.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = ("python", "pycon", "sh", "console", "toml")
"""Languages whose samples are run or parsed."""
SHOWN = ("text", "yaml", "json", "dockerfile", "")
"""Languages of output and of other tools' files."""

_BLOCK = re.compile(
    r"(?m)^(?:<!-- (?P<mark>file|run by|not run): (?P<said>.*?) -->\n+)?"
    r"```(?P<language>[\w{}-]*)[^\n]*\n(?P<text>(?s:.*?))^```$"
)


class Sample(Struct, frozen=True, kw_only=True):
    """One block."""

    page: str
    """The path of its page in the repository."""
    line: int
    language: str
    text: str
    mark: str
    """``file``, ``run by``, ``not run``, or empty."""
    said: str
    """The text after the colon."""

    @property
    def name(self) -> str:
        """The id of its test."""
        return f"{self.page}:{self.line}"


def samples(page: Path) -> list[Sample]:
    """Return the blocks of a page, except directives of the site generator."""
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
