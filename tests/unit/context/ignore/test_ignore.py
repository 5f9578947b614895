from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from docker.utils.build import PatternMatcher
from hypothesis import given
from hypothesis import strategies as st

from buildr.context.ignore.defaults import default_rules
from buildr.context.ignore.export import ignore_text
from buildr.context.ignore.file import read_ignore_file
from buildr.context.ignore.rules import IgnoreRules
from buildr.errors import ContextError

if TYPE_CHECKING:
    from pathlib import Path

# The text of an ignore file, a path, and whether it is left out. But for those under "Where Docker
# does not do what it documents", each was put to moby/patternmatcher's MatchesOrParentMatches too.
VERDICTS = [
    # Anchored at the context, with or without slashes at the ends.
    ("a.txt", "a.txt", True),
    ("a.txt", "sub/a.txt", False),
    ("/a.txt", "a.txt", True),
    ("//a.txt", "a.txt", True),
    ("sub/a.txt", "sub/a.txt", True),
    ("/sub/a.txt", "sub/a.txt", True),
    ("a.txt/", "a.txt", True),
    ("sub/", "sub/deep/a.txt", True),
    ("sub", "sub", True),
    ("sub", "sub/deep/a.txt", True),
    ("sub", "subway", False),
    ("deep", "sub/deep", False),
    # Cleaning: "." and ".." disappear, blanks around the pattern too.
    ("./a.txt", "a.txt", True),
    ("sub/./a.txt", "sub/a.txt", True),
    ("sub//a.txt", "sub/a.txt", True),
    ("sub/../a.txt", "a.txt", True),
    ("/../a.txt", "a.txt", True),
    ("../a.txt", "a.txt", False),
    (".", "a.txt", False),
    ("/", "a.txt", False),
    ("sub/..", "sub/a.txt", False),
    ("  a.txt\t", "a.txt", True),
    ("a b.txt", "a b.txt", True),
    ("\u00a0a.txt\u3000", "a.txt", True),
    ("a.txt\x1c", "a.txt", False),
    # One component: * and ? stop at a slash, and match a leading dot.
    ("*", "a.txt", True),
    ("*", ".hidden", True),
    ("*", "sub/a.txt", True),
    ("*.txt", "a.txt", True),
    ("*.txt", "sub/a.txt", False),
    ("*/a.txt", "sub/a.txt", True),
    ("*/a.txt", "a.txt", False),
    ("*/a.txt", "sub/deep/a.txt", False),
    ("*/*/a.txt", "sub/deep/a.txt", True),
    ("?.txt", "a.txt", True),
    ("?.txt", "aa.txt", False),
    ("a?b", "a/b", False),
    ("a*b", "a/b", False),
    ("a?b", "a\u263ab", True),
    ("*", "new\nline", True),
    # ** crosses slashes, and none at all is enough.
    ("**", "sub/deep/a.txt", True),
    ("**/", "a.txt", True),
    ("**/a.txt", "a.txt", True),
    ("**/a.txt", "sub/deep/a.txt", True),
    ("**/a.txt", "sub/ba.txt", False),
    ("**/deep/a.txt", "sub/deep/a.txt", True),
    ("**/deep/a.txt", "deep/a.txt", True),
    ("**/deep", "sub/deep/x/y", True),
    ("**a.txt", "sub/ba.txt", True),
    ("**/*.txt", "a.txt", True),
    ("**/*.txt", "sub/deep/a.txt", True),
    ("**/a*", "sub/abc", True),
    ("**/a*", "sub/bac", False),
    ("**/[ab]c", "sub/ac", True),
    ("sub/**", "sub", False),
    ("sub/**", "sub/a.txt", True),
    ("sub/**", "subway/a.txt", False),
    ("sub**", "subway/a.txt", True),
    ("sub/**/a.txt", "sub/a.txt", True),
    ("sub/**/a.txt", "sub/x/y/a.txt", True),
    ("sub/**/a.txt", "other/a.txt", False),
    ("**/**/a.txt", "a.txt", True),
    ("a**/b", "ab", True),
    ("a**b", "a/x/b", True),
    ("**/foo*", "new\nline/foo", False),
    # Character classes and escapes.
    ("a[b-d]e", "ace", True),
    ("a[b-d]e", "aae", False),
    ("a[^b-d]e", "aze", True),
    ("a[^b-d]e", "ace", False),
    ("a[^b]c", "a/c", True),
    ("[!a]b", "!b", True),
    ("[!a]b", "cb", False),
    ("[a-\u03b6]", "\u03b1", True),
    ("[\\]a]", "]", True),
    ("[\\-x]", "-", True),
    ("[x\\-]", "z", False),
    ("[[:digit:]]", "7", True),
    ("[[:digit:]]", "d", False),
    ("[[:^digit:]]", "d", True),
    ("[[]", "[", True),
    ("a]", "a]", True),
    ("[\\d]x", "1x", True),
    ("[\\D]x", "1x", False),
    ("[&&a]", "&", True),
    ("\\*", "*", True),
    ("\\*", "a", False),
    ("a\\*b", "a*b", True),
    ("a\\\\", "a\\", True),
    ("\\d", "d", False),
    ("\\d", "1", True),
    ("\\x41", "A", True),
    ("\\101", "A", True),
    ("\\t", "\t", True),
    ("\\bab", "ab", True),
    ("a^b", "a^b", True),
    ("a^b*", "a^b", False),
    ("a.c", "abc", False),
    ("a+(b)|{1}$", "a+(b)|{1}$", True),
    ("*+(b)$", "a+(b)$", True),
    # Lines that are not patterns, and some that only look so.
    ("# a.txt\na.txt", "a.txt", True),
    ("#a.txt", "#a.txt", False),
    (" #a.txt", "#a.txt", True),
    ("\\#a.txt", "#a.txt", True),
    ("a.txt # b", "a.txt", False),
    ("\n\n \t\n", "a.txt", False),
    ("a.txt\r\nb.txt\r\n", "a.txt", True),
    ("\ufeffa.txt", "a.txt", True),
    ("\ufeff# c\na.txt", "a.txt", True),
    ("\n\ufeffa.txt", "a.txt", False),
    ("a\x0bb", "a\x0bb", True),
    # The last match decides.
    ("*.md\n!README.md", "README.md", False),
    ("*.md\n!README.md", "OTHER.md", True),
    ("!README.md\n*.md", "README.md", True),
    ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
    ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False),
    ("docs\n!docs/a.txt", "docs/a.txt", False),
    ("docs\n!docs/a.txt", "docs/b.txt", True),
    ("docs/*\n!docs/a.txt", "docs/a.txt", False),
    ("*\n!src", "src/deep/a.py", False),
    ("*\n!src", "a.py", True),
    ("*\n!src\nsrc/deep", "src/deep/a.py", True),
    ("*\n!src\nsrc/deep\n!src/deep/a.py", "src/deep/a.py", False),
    ("*\n!**/*.py", "src/deep/a.py", False),
    ("*\n!**/*.py", "src/deep/a.txt", True),
    ("**\n!/src", "src/a.py", False),
    ("*\n! src", "src/a.py", False),
    ("*\n  !src  ", "src/a.py", False),
    ("*\n./!src", "src/a.py", False),
    ("*\n\\!src", "src/a.py", True),
    ("!!a\na", "a", True),
    ("*\n!./src/../lib", "lib/a.py", False),
    ("a/b\n!a", "a/b", False),
    ("a\n!a\n", "a/b", False),
    ("a\n!a\na/b", "a/b", True),
    ("*\n!**/*.json\nnode_modules", "node_modules/x/a.json", True),
    ("*\n!**/*.json\nnode_modules", "x/a.json", False),
]

# Deviations of Docker from its documentation.
OUR_VERDICTS = [
    ("*|b", "a", False),
    ("*|b", "a|b", True),
    ("a{2}*", "aa", False),
    ("a{2}*", "a{2}x", True),
    ("{{x}}?", "{{x}}y", True),
]

INVALID = [
    ("[", "has no end"),
    ("a[", "has no end"),
    ("[a", "has no end"),
    ("[^", "has no end"),
    ("[]a]", "bare - or ]"),
    ("[-x]", "bare - or ]"),
    ("[x-]", "bare - or ]"),
    ("[a-b-c]", "bare - or ]"),
    ("\\", "escapes nothing"),
    ("ab\\", "escapes nothing"),
    ("[Local-Only]", "runs backwards"),
    ("[[:nonsense:]]", "names no class"),
    ("[[:alpha:]", "has no end"),
    ("\\y", "has no meaning"),
    ("\\9", "has no meaning"),
    ("[\\A]", "has no meaning"),
    ("[\udcff]", "not UTF-8"),
    ("!", "there is nothing after"),
    ("! ", "there is nothing after"),
    ("!/", "there is nothing after"),
    ("!a\n![", "line 2"),
]


@pytest.mark.parametrize(("text", "path", "out"), VERDICTS + OUR_VERDICTS)
def test_a_path_is_excluded_exactly_as_by_docker(text: str, path: str, out: bool) -> None:
    assert IgnoreRules.parse(text).excludes(path) is out


@pytest.mark.parametrize(("text", "reason"), INVALID)
def test_an_invalid_pattern_is_an_error_that_says_why(text: str, reason: str) -> None:
    with pytest.raises(ContextError, match=reason):
        IgnoreRules.parse(text)


def test_an_invalid_pattern_is_reported_with_file_line_and_pattern() -> None:
    with pytest.raises(ContextError) as caught:
        IgnoreRules.parse("# fine\nok\n\n  a[b\n", source="/p/.dockerignore")
    assert "/p/.dockerignore, line 4: 'a[b' is not a valid pattern" in caught.value.what


def test_the_context_itself_is_never_excluded() -> None:
    rules = IgnoreRules.parse("**\n*\n.")
    assert not rules.excludes(".")
    assert not rules.excludes("")


def test_character_classes_cause_no_warnings_of_re() -> None:
    assert IgnoreRules.parse("[[a&&~~||]").excludes("&")


def test_bytes_that_are_not_utf8_match_themselves() -> None:
    rules = IgnoreRules.parse(os.fsdecode(b"\xff*\n"))
    assert rules.excludes(os.fsdecode(b"\xffx"))
    assert not rules.excludes(os.fsdecode(b"\xfex"))


def test_a_very_deep_path_is_matched() -> None:
    assert IgnoreRules.parse("a/a").excludes("/".join("a" * 3000))


# Entering an excluded folder


@pytest.mark.parametrize(
    ("text", "folder", "entered"),
    [
        ("*", "src", False),
        ("*\n!src", ".git", False),
        ("*\n!src/*.py", "src", True),
        ("*\n!src/*.py", ".git", False),
        ("*\n!src/*.py", "src/deep", False),
        ("*\n!src/*/a.py", "src/deep", True),
        ("*\n!src/*/a.py", "src/deep/er", False),
        ("*\n!src/d?ep/a.py", "src/deep", True),
        ("*\n!src/d?ep/a.py", "src/shallow", False),
        ("*\n!src/a/b/c.py", "src", True),
        ("*\n!src/a/b/c.py", "src/a", True),
        ("*\n!src/a/b/c.py", "src/b", False),
        ("*\n!src/**", "src", True),
        ("*\n!src/**", "lib", False),
        ("*\n!src/**/a.py", "src/x/y", True),
        ("*\n!src/**/a.py", "lib", False),
        ("*\n!src/x**", "lib", False),
        ("*\n!**/*.py", ".git", True),
        ("*\n!**/a.py", ".git", True),
        ("*\n!**/*.py\n.git", ".git", False),
        ("*\n!**/*.py\n.git\n!.git/config", ".git", True),
        ("*\n!**/*.py\n.git\n!.git/config", ".git/objects", False),
        (".git\n!.gitignore", ".git", False),
        ("!.git/config\n.git", ".git", False),
        ("*\n!s[^x]c/a.py", "s", True),
        ("*\n!sr[c]/a.py", "src", True),
        ("*\n!lib/sr[c]/a.py", "src", False),
        ("*\n!s\\rc/a.py", "src", True),
    ],
)
def test_an_excluded_folder_is_entered_only_if_an_exception_may_match(
    text: str, folder: str, entered: bool
) -> None:
    rules = IgnoreRules.parse(text)
    assert rules.excludes(folder)
    assert rules.may_reinclude(folder) is entered


# Against independent judges

PARTS = st.sampled_from(["a", "b", "ab", "*", "?", "a*", "*b", "**", ".x", "[ab]"])
NAMES = st.sampled_from(["a", "b", "ab", "ba", ".x", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def prefixes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def judged(patterns: list[str], path: str) -> bool:
    verdict: bool = PatternMatcher(patterns).matches(path)  # type: ignore[arg-type] # it takes text, not a PathLike
    return verdict


@given(st.lists(st.lists(PARTS, min_size=1, max_size=3).map("/".join), max_size=4), PATHS)
def test_docker_py_agrees_without_exceptions(patterns: list[str], path: str) -> None:
    # docker-py looks at one folder above only, hence the loop; and it has no "**" for folders alone.
    expected = any(judged(patterns, prefix) for prefix in prefixes(path))
    assert IgnoreRules.parse("\n".join(patterns)).excludes(path) is expected


FLAT = PARTS.filter(lambda part: "**" not in part)


@given(st.lists(st.tuples(st.sampled_from(["", "!"]), FLAT).map("".join), max_size=5), NAMES)
def test_docker_py_agrees_about_exceptions_at_the_top_level(patterns: list[str], name: str) -> None:
    expected = judged(patterns, name)
    assert IgnoreRules.parse("\n".join(patterns)).excludes(name) is expected


LINES = st.lists(
    st.tuples(st.sampled_from(["", "!", "/", "!/"]), st.lists(PARTS, min_size=1, max_size=3)).map(
        lambda line: line[0] + "/".join(line[1])
    ),
    max_size=5,
).map("\n".join)


@given(LINES, PATHS)
def test_folders_that_are_not_entered_contain_no_included_file(text: str, path: str) -> None:
    rules = IgnoreRules.parse(text)
    if not rules.excludes(path):
        above = prefixes(path)[:-1]
        assert all(not rules.excludes(p) or rules.may_reinclude(p) for p in above)


@given(LINES, st.lists(PATHS, max_size=6))
def test_results_do_not_depend_on_the_order_of_queries(text: str, paths: list[str]) -> None:
    rules = IgnoreRules.parse(text)
    first = [rules.excludes(path) for path in paths]
    for path in reversed(paths):
        rules.may_reinclude(path)
    assert [rules.excludes(path) for path in paths] == first
    assert [IgnoreRules.parse(text).excludes(path) for path in paths] == first


@given(st.text(alphabet="ab*?/.![]^-\\# \n\t\u00e9:d", max_size=30), PATHS)
def test_any_text_is_parsed_or_one_clear_error(text: str, path: str) -> None:
    try:
        verdict = str(IgnoreRules.parse(text).excludes(path))
    except ContextError as error:
        verdict = error.what
    assert verdict in {"True", "False"} or "is not a valid pattern" in verdict


@pytest.mark.parametrize(
    ("patterns", "path", "docker"),
    [
        # Docker's patterns are those of Go's filepath.Match; docker-py's are Python's fnmatch in part.
        (["a[^b]"], "ac", True),
        (["a[!b]"], "ab", True),
        (["a\\*"], "a*", True),
        # A pattern that filepath.Match calls malformed ends a build with Docker, and is a text with docker-py.
        (["[a-"], "a", None),
        (["[]a]"], "]", None),
    ],
)
def test_the_differences_from_docker_py_are_known(
    patterns: list[str], path: str, docker: bool | None
) -> None:
    """docs/decisions.md lists them, too."""
    assert judged(patterns, path) is not docker
    try:
        verdict = IgnoreRules.parse("\n".join(patterns)).excludes(path)
    except ContextError:
        assert docker is None
    else:
        assert verdict is docker


# Which file applies


def find_rules(context: Path, containerfile: Path | None = None) -> IgnoreRules | None:
    found = read_ignore_file(context, containerfile)
    return None if found is None else found.parse()


def test_without_an_ignore_file_there_are_no_rules(tmp_path: Path) -> None:
    assert find_rules(tmp_path) is None


def test_containerignore_precedes_dockerignore(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("a")
    (tmp_path / ".containerignore").write_text("b")
    rules = find_rules(tmp_path)
    assert rules is not None
    assert (rules.excludes("a"), rules.excludes("b")) == (False, True)
    assert rules.source == str(tmp_path / ".containerignore")


def test_dockerignore_applies_without_containerignore(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("a")
    rules = find_rules(tmp_path)
    assert rules is not None
    assert rules.excludes("a")


@pytest.mark.parametrize("suffix", [".dockerignore", ".containerignore"])
def test_the_ignore_file_of_a_containerfile_precedes_those_of_the_context(
    tmp_path: Path, suffix: str
) -> None:
    (tmp_path / ".containerignore").write_text("a")
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / f"Dockerfile.dev{suffix}").write_text("b")
    rules = find_rules(tmp_path, tmp_path / "docker" / "Dockerfile.dev")
    assert rules is not None
    assert (rules.excludes("a"), rules.excludes("b")) == (False, True)


def test_beside_a_containerfile_dockerignore_has_precedence(tmp_path: Path) -> None:
    (tmp_path / "Containerfile.containerignore").write_text("a")
    (tmp_path / "Containerfile.dockerignore").write_text("b")
    rules = find_rules(tmp_path, tmp_path / "Containerfile")
    assert rules is not None
    assert (rules.excludes("a"), rules.excludes("b")) == (False, True)


def test_an_empty_ignore_file_excludes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_bytes(b"")
    rules = find_rules(tmp_path)
    assert rules is not None
    assert not rules.excludes(".git")


def test_an_ignore_file_with_only_exceptions_keeps_the_defaults(tmp_path: Path) -> None:
    (tmp_path / ".containerignore").write_text("\ufeff# asked for\n!tests/server.key\n!.venv\n")
    found = read_ignore_file(tmp_path)
    assert found is not None
    rules = found.parse()
    assert rules.excludes("node_modules")
    assert rules.excludes(".git")
    assert not rules.excludes(".venv")
    assert not rules.excludes("tests/server.key")
    assert rules.markers


def test_eject_adds_the_defaults_to_a_file_with_only_exceptions() -> None:
    text = ignore_text("!tests/server.key\n", sent=["app.py"], held_back=[], secrets=False)
    rules = IgnoreRules.parse(text)
    assert rules.excludes("context/node_modules")
    assert not rules.excludes("context/tests/server.key")


def test_an_ignore_file_that_is_a_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").mkdir()
    with pytest.raises(ContextError, match=r"ignore file .*\.dockerignore cannot be read"):
        find_rules(tmp_path)


# The defaults


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        "sub/.git/config",
        ".hg",
        ".svn",
        "CVS",
        ".venv/bin/python",
        "a/b/__pycache__/c.pyc",
        "mod.pyo",
        ".mypy_cache",
        ".pytest_cache/v",
        ".ruff_cache",
        ".tox",
        ".ipynb_checkpoints",
        "pkg.egg-info/PKG-INFO",
        "web/node_modules/x",
        ".coverage.host.1.x",
        ".DS_Store",
        ".idea",
        ".app.py.swp",
        "app.py~",
        ".#app.py",
    ],
)
def test_the_defaults_exclude_files_that_no_program_needs(path: str) -> None:
    assert default_rules().excludes(path)


@pytest.mark.parametrize(
    "path",
    [
        "app.py",
        "git/x",
        ".gitignore",
        ".github/w.yml",
        "venv/x",
        "env/x",
        "build/x",
        "dist/x",
        "lib/x",
        ".dockerignore",
        "requirements.txt",
        ".python-version",
        "a.pyi",
        "cvs",
        ".cache/model.bin",
    ],
)
def test_the_defaults_include_files_that_a_program_may_need(path: str) -> None:
    assert not default_rules().excludes(path)
