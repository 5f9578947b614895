"""The user's own Containerfile: its text, and the images that it builds on.

Read only as far as that needs, by the rules of the Dockerfile reference; everything else is the engine's business.
https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildr.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ESCAPE = r"#\s*escape\s*=\s*([\\`])\s*"
_DIRECTIVE = r"#\s*\w+\s*=.*"
_HEREDOC = r"<<-?(['\"]?)(\w+)\1"
_VARIABLE = r"\$(?:(\w+)|\{(\w+)(?:(:?[-+])((?:\$\{\w+\}|[^}])*))?\})"


def read_dockerfile(path: str) -> bytes:
    """Return what is in the user's own Containerfile.

    Raises:
        ContextError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ContextError(
            f"the dockerfile {path} cannot be read: {error.strerror}",
            hint="Make it readable for you (chmod u+r).",
        ) from None


def bases(content: bytes) -> tuple[str, ...]:
    """Return the images that a Containerfile starts from or copies from, as it names them.

    Stages of its own and names that cannot be known before the build are not among them.
    """
    found: dict[str, None] = {}
    stages = {"scratch"}
    arguments: dict[str, str] = {}
    for word, rest in _instructions(content.decode("utf-8-sig", errors="replace")):
        flags = dict(flag[2:].partition("=")[::2] for flag in rest if flag.startswith("--"))
        words = [word for word in rest if not word.startswith("--")]
        if word == "ARG" and len(stages) == 1:  # only those before the first FROM count there
            for argument in words:
                name, equals, value = argument.partition("=")
                if equals:
                    arguments[name] = _expand(value.strip("\"'"), arguments) or ""
        elif word == "FROM" and words:
            base = _expand(words[0].strip("\"'"), arguments)
            if base and base.lower() not in stages:
                found[base] = None
            stages.add(words[2].lower() if len(words) == 3 else f"{len(stages)}th")
        elif word == "COPY":
            base = flags.get("from", "")
            if base and not (base.isdecimal() or "$" in base or base.lower() in stages):
                found[base] = None
    return tuple(found)


def _instructions(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each instruction's name in upper case and its words."""
    lines = iter(text.splitlines())
    escape, directives = "\\", True
    held = ""
    for line in lines:
        stripped = line.strip()
        if directives and (match := re.fullmatch(_ESCAPE, stripped, re.IGNORECASE)):
            escape = match[1]
        directives = directives and re.fullmatch(_DIRECTIVE, stripped) is not None
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith(escape):
            held += stripped[:-1] + " "
            continue
        word, *rest = (held + stripped).split()
        held = ""
        yield word.upper(), rest
        if word.upper() in ("RUN", "COPY", "ADD"):
            for match in re.finditer(_HEREDOC, " ".join(rest)):
                while next(lines, match[2]).strip() != match[2]:
                    pass


def _expand(text: str, arguments: Mapping[str, str]) -> str | None:
    """Put the values of variables into a text; ``None`` where one has none."""
    unknown = False

    def value(match: re.Match[str]) -> str:
        nonlocal unknown
        found = arguments.get(match[1] or match[2])
        operator = match[3] or ""
        present = bool(found) if operator.startswith(":") else found is not None
        if operator and present == operator.endswith("+"):
            found = _expand(match[4], arguments)
        elif operator.endswith("+"):
            found = ""
        unknown = unknown or found is None
        return found or ""

    expanded = re.sub(_VARIABLE, value, text)
    return None if unknown else expanded
