"""Each text that ``docs/troubleshooting.md`` is keyed by is in the code, from its beginning to its end."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
QUOTED = re.findall(r"(?m)^### `(.+?)`", PAGE)
GAP = "…"
"""In the page: what differs. In a message of the code: a part that is put in at run time, or a backquote."""


def messages_of(source: str) -> Iterator[str]:
    """Yield the strings of a module, f-strings with a gap for each part that is put in, docstrings left out."""
    tree = ast.parse(source)
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            left_out.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            left_out.update(map(id, node.values))
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values
            )
        elif id(node) in left_out or not isinstance(node, ast.Constant):
            continue
        elif isinstance(node.value, str):
            yield node.value


@functools.cache
def messages() -> tuple[str, ...]:
    files = [path for top in ("buildr", "backends") for path in sorted((ROOT / top).rglob("*.py"))]
    return tuple(text for path in files for text in messages_of(path.read_text()))


def is_said(quoted: str, said: tuple[str, ...]) -> bool:
    """Tell whether one message has all the pieces of a quotation, in their order, and begins with the first."""
    pieces = [re.escape(piece.strip()) for piece in re.split(GAP, quoted) if piece.strip()]
    start = "" if quoted.startswith(GAP) else r"^(?:buildr: )?"
    pattern = re.compile(start + r"[\s\S]*".join(pieces), re.MULTILINE)
    return any(pattern.search(text) for text in said)


@pytest.mark.parametrize("quoted", QUOTED)
def test_the_quoted_text_is_in_the_code(quoted: str) -> None:
    assert is_said(quoted, messages())


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_different_word_would_be_noticed(quoted: str) -> None:
    longest = max(re.findall(r"[a-z]+", quoted), key=len)
    assert not is_said(quoted.replace(longest, f"{longest}x"), messages())


def test_a_page_without_quotations_would_be_noticed() -> None:
    assert len(QUOTED) > 20
    assert len(set(QUOTED)) == len(QUOTED)


def test_docstrings_are_not_messages() -> None:
    source = '"""the engine is gone"""\nname = 1\nraise ValueError(f"there is no {name} here")\n'
    assert set(messages_of(source)) == {f"there is no {GAP} here"}
