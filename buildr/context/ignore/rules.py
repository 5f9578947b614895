"""Ignore files: which paths of the context are not sent.

The semantics are those that Docker documents (https://docs.docker.com/build/concepts/context/#dockerignore-files)
and moby/patternmatcher implements, in ``ignorefile.ReadAll`` and ``MatchesOrParentMatches``: every pattern is
anchored at the context, a match of a folder counts for all that is in it, the last line that matches
decides, and ``!`` brings back.

Three things differ, each where Docker does not do what it documents. A broken pattern is refused when the file
is read, not when it is first needed. ``|``, ``{`` and ``}`` are always literal; moby forgets to escape them
beside a wildcard. And its walk, which carries on what it found for the folder above
(``MatchesUsingParentResults``), can forget that a line matched a folder that was out already, so that with
``*``, ``!**/*.json``, ``node_modules`` it sends files of node_modules; here they stay out.
"""

from __future__ import annotations

import codecs
from typing import Final, NamedTuple

from buildr.context.ignore.pattern import Pattern, PatternSet, clean
from buildr.errors import ContextError

__all__ = ["IgnoreRules"]

# unicode.IsSpace of Go. str.strip() would also take the separators U+001C to U+001F.
_BLANK: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_BOM: Final = codecs.BOM_UTF8.decode()


class _Run(NamedTuple):
    """Patterns that follow each other and have the same sign, so that their order does not matter."""

    brings_back: bool
    patterns: PatternSet


class IgnoreRules:
    """The rules of one ignore file.

    Paths are relative to the context, with ``/`` between components and without ``.`` or ``..``; bytes that
    are not UTF-8 are surrogate escapes, as ``os.fsdecode`` gives them.

    Args:
        patterns: in the order of the file; each with whether a ``!`` stood before it.
        source: where they come from, for messages.
        markers: names of files; a folder that holds one of them is left out. No ignore file can say this;
            it is for Buildr's own defaults.

    Attributes:
        source: the same.
        markers: the same.
        exceptions: the patterns with a ``!``, in their order.
        only_exceptions: whether there are such, and no others.
    """

    def __init__(
        self,
        patterns: list[tuple[bool, Pattern]],
        *,
        source: str,
        markers: frozenset[str] = frozenset(),
    ) -> None:
        self.source = source
        self.markers = markers
        self._runs = _group(patterns)
        self._last_first = range(len(self._runs))[::-1]
        self.exceptions = tuple(pattern for brings_back, pattern in patterns if brings_back)
        self.only_exceptions = 0 < len(self.exceptions) == len(patterns)
        # For each folder that was looked at: which runs match it, or a folder above it.
        self._states: dict[str, tuple[bool, ...]] = {"": (False,) * len(self._runs)}

    @classmethod
    def parse(
        cls, text: str, source: str = ".dockerignore", *, markers: frozenset[str] = frozenset()
    ) -> IgnoreRules:
        """Read the text of an ignore file.

        Args:
            text: the whole file; ``os.fsdecode`` makes it of the bytes.
            source: what messages call it.
            markers: see the class.

        Raises:
            ContextError: a pattern is not valid; names ``source`` and the line.
        """
        patterns = []
        for number, line in enumerate(text.removeprefix(_BOM).split("\n"), start=1):
            try:
                pattern = _read_line(line)
            except ValueError as error:
                raise ContextError(
                    f"{source}, line {number}: {line.strip(_BLANK)!r} is not a valid pattern: {error}",
                    hint="A backslash before a special character takes it literally. "
                    "The syntax: https://docs.docker.com/build/concepts/context/#syntax",
                ) from None
            if pattern is not None:
                patterns.append(pattern)
        return cls(patterns, source=source, markers=markers)

    def excludes(self, path: str) -> bool:
        """Whether the file or folder ``path`` is left out."""
        if path in {"", "."}:
            return False
        folder, _, name = path.rpartition("/")
        state = self._states.get(folder)
        if state is None:
            state = self._state(folder)
        for at in self._last_first:
            brings_back, patterns = self._runs[at]
            if state[at] or patterns.matches(path, name):
                return not brings_back
        return False

    def may_reinclude(self, directory: str) -> bool:
        """Whether something below ``directory``, an excluded folder, may still be included.

        Only a ``!`` after the last pattern that leaves the folder out can do so, and only if it could match
        a path below it. False is certain, True is not.
        """
        state = self._state(directory)
        for at in self._last_first:
            brings_back, patterns = self._runs[at]
            if brings_back:
                if any(pattern.may_match_below(directory) for pattern in patterns.patterns):
                    return True
            elif state[at]:
                return False
        return False

    def _state(self, folder: str) -> tuple[bool, ...]:
        """Find which runs match ``folder`` or a folder above it, from the nearest one that is known."""
        missing = []
        while (state := self._states.get(folder)) is None:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        for path in reversed(missing):
            name = path.rpartition("/")[2]
            state = tuple(
                above or run.patterns.matches(path, name)
                for run, above in zip(self._runs, state, strict=True)
            )
            self._states[path] = state
        return state


def _read_line(line: str) -> tuple[bool, Pattern] | None:
    """Read one line as ``ignorefile.ReadAll`` and then ``patternmatcher.New`` do."""
    if line.startswith("#"):
        return None
    text = line.strip(_BLANK)
    if not text:
        return None
    sign = ""
    if text.startswith("!"):
        sign, text = "!", text[1:].strip(_BLANK)
    if text:
        text = clean(text)
        if text.startswith("/") and len(text) > 1:
            text = text[1:]
    # Docker cleans once more with the ! in front, and that is what makes "!/" an error.
    text = clean((sign + text).strip(_BLANK))
    if text == "!":
        raise ValueError("there is nothing after the !")
    return text.startswith("!"), Pattern(text.removeprefix("!"))


def _group(patterns: list[tuple[bool, Pattern]]) -> tuple[_Run, ...]:
    runs: list[tuple[bool, list[Pattern]]] = []
    for brings_back, pattern in patterns:
        if not runs or runs[-1][0] is not brings_back:
            runs.append((brings_back, []))
        runs[-1][1].append(pattern)
    return tuple(_Run(brings_back, PatternSet(tuple(found))) for brings_back, found in runs)
