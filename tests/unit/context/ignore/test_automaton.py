"""Patterns with several wildcards: the same results as ``re``, in linear time."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildr.context.ignore.automaton import Automaton, is_certain, is_simple
from buildr.context.ignore.pattern import Pattern
from buildr.context.ignore.rules import IgnoreRules
from buildr.errors import ContextError
from tests.unit.command import command_project
from tests.unit.processes import SECONDS

if TYPE_CHECKING:
    from pathlib import Path

PIECES = ("a", "b", "ab", "/", "*", "**", "**/", "?", "[a-b]", "[^a]", "[/b]", "\\d", "\\x61", "é")
patterns = st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join)
paths = st.text(st.sampled_from("ab/1é\n"), max_size=12)


@given(st.lists(patterns, min_size=1, max_size=3), paths)
def test_the_automaton_agrees_with_re(texts: list[str], path: str) -> None:
    found = []
    for text in texts:
        try:
            found.append(Pattern(text).pieces)
        except ValueError:
            continue
    expressions = [one for one in found if one]
    wanted = any(re.fullmatch("".join(one), path) for one in expressions)
    assert Automaton(expressions).matches(path) is wanted


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("*.py", True),
        ("**/a/*.txt", True),
        ("*a*", False),
        ("**/a/**/b", False),
        ("a/*/*.o", False),
    ],
)
def test_simple_patterns_are_left_to_re(text: str, simple: bool) -> None:
    assert is_simple(Pattern(text).pieces) is simple


def test_an_anchor_requires_a_single_wildcard() -> None:
    assert not is_certain(Pattern("a*\\b").pieces)
    with pytest.raises(ContextError, match="cannot be combined with several wildcards"):
        IgnoreRules.parse("*a*\\b\n")


HOSTILE = (
    ("*a" * 14 + "*b", "a" * 200),
    ("x/" + "*a" * 14 + "*b", "x/" + "a" * 200),
    ("**/" + "*a" * 14 + "*b", "y/" + "a" * 200),
    ("**/a/" * 14 + "b", "a/" * 100 + "c"),
    ("**a" * 14 + "b", "a/" * 100 + "a"),
    ("?*" * 14 + "b", "a" * 200),
    ("[a-z]*" * 14 + "b", "a" * 200),
    ("[^x]*" * 14 + "b", "a/" * 100),
    ("*" + "a" * 120 + "b\n" * 500, "a" * 255),
)
"""Each takes ``re`` minutes at least; the last one is many of them."""
JUDGE = """\
import sys
from buildr.context.ignore.rules import IgnoreRules
rules = IgnoreRules.parse(sys.argv[1] + "\\n!" + sys.argv[1].splitlines()[0] + "/z\\n")
print(rules.excludes(sys.argv[2]), rules.may_reinclude(sys.argv[2]))
"""


@pytest.mark.parametrize(("pattern", "path"), HOSTILE)
def test_no_pattern_takes_forever(pattern: str, path: str) -> None:
    """In a separate process, since ``re`` cannot be interrupted."""
    command = [sys.executable, "-c", JUDGE, pattern, path]
    assert subprocess.run(command, check=True, timeout=SECONDS, capture_output=True).stdout


def test_a_checkout_with_such_a_pattern_is_ejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = command_project(tmp_path, monkeypatch, "print(1)\n")
    (project / ("a" * 200)).touch()
    (project / ".dockerignore").write_text("*a" * 14 + "*b\n")
    command = [sys.executable, "-m", "buildr", "eject", "-o", "../out", "app.py"]
    subprocess.run(command, check=True, timeout=SECONDS, capture_output=True)
    assert (tmp_path / "out" / "context" / ("a" * 200)).exists()
