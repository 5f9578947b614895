"""Reads the user's own Containerfile: the images that it needs, and the features that it needs of a builder.

It follows the rules of the Dockerfile reference, as far as necessary; everything else is left to the engine.
https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from msgspec import Struct, field

from buildr.errors import ContextError
from buildr.host.files import read_file
from buildr.plan.dockerfile_syntax import directives, instructions, unquoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.plan.dockerfile_syntax import Instruction

HERE_DOCUMENTS = "here-documents"
_MOST_BYTES = 256 << 10
_LONGEST = 4096  # characters: each step of an expansion can double its input
_VARIABLE = r"\$(?:(\w+)|\{(\w+)(?:(:?[-+])((?:\$\{\w+\}|[^}])*))?\})"
# The names of engines: https://docs.docker.com/build/building/variables/#multi-platform-build-arguments
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Every supported builder has these flags.
_KNOWN = {"FROM --platform", "COPY --from", "COPY --chown", "ADD --chown"}


class _TooLongError(Exception):
    """A text expands to more than the maximum length of an image's name."""


class _Stage(Struct):
    """A stage, and its sources."""

    name: str
    stages: set[int] = field(default_factory=set)
    images: list[str] = field(default_factory=list)


def read_dockerfile(path: str) -> bytes:
    """Return the content of the user's own Containerfile.

    Raises:
        ContextError: it cannot be read.
    """
    try:
        return read_file(path, _MOST_BYTES)
    except OSError as error:
        raise ContextError(
            f"the dockerfile {path} cannot be read: {error.strerror}",
            hint="Make it a regular file that you may read.",
        ) from None


def bases(content: bytes) -> tuple[str, ...]:
    """Return the images that a Containerfile's stages start from or copy from, as it names them.

    Its own stages, and names that are unknown before the build, are left out.

    Raises:
        ContextError: the value of an argument before the stages, or a name, expands to more than the maximum length of
            a name.
    """
    stages = list(_stages(content))
    return tuple(dict.fromkeys(need for stage in stages for need in stage.images))


def needed_bases(content: bytes) -> tuple[str, ...]:
    """Return those of the `bases` that the last stage needs, directly or through other stages.

    BuildKit and Buildah build no other stages, so other images are not needed.

    Raises:
        ContextError: as with `bases`.
    """
    stages = list(_stages(content))
    reached = {len(stages) - 1} if stages else set()
    for at in reversed(range(len(stages))):  # a stage can only need earlier ones
        if at in reached:
            reached |= stages[at].stages
    return tuple(dict.fromkeys(need for at in sorted(reached) for need in stages[at].images))


def needs(content: bytes) -> dict[str, int]:
    """Return the features beyond the basics that a Containerfile needs of a builder, each with the first line that uses it.

    ``here-documents``, or an instruction with a flag: ``RUN --mount``.
    """
    found: dict[str, int] = {}
    for instruction in instructions(text_of(content)):
        if instruction.heredocs:
            found.setdefault(HERE_DOCUMENTS, instruction.line)
        for flag, _ in instruction.flags:
            if (need := f"{instruction.name} --{flag}") not in _KNOWN:
                found.setdefault(need, instruction.line)
    return found


def frontend(content: bytes) -> str:
    """Return the frontend image named by a line ``# syntax=``; empty without one."""
    _, value = directives(text_of(content)).get("syntax", (0, ""))
    return value.partition(" ")[0]


def without_frontend(content: bytes) -> bytes:
    """Return a Containerfile without its line ``# syntax=``; its instructions keep their lines."""
    found = directives(text_of(content))
    lines = content.split(b"\n")
    if "syntax" in found:
        # Any other line would end the directives.
        lines.insert(len(found), b"")
        del lines[found["syntax"][0] - 1]
    return b"\n".join(lines)


def _stages(content: bytes) -> list[_Stage]:
    arguments = _platform()
    stages: list[_Stage] = []
    earlier: dict[str, int] = {}  # stages by name and by number
    for instruction in instructions(text_of(content)):
        words = instruction.words
        if instruction.name == "FROM" and words:
            if stages:
                at = len(stages) - 1
                earlier[str(at)] = earlier[stages[-1].name] = at
            stage = _Stage(name=words[2].lower() if len(words) == 3 else "")
            if base := _expand_at(instruction.line, words[0], arguments):
                _add(stage, base, earlier)
            stages.append(stage)
        elif stages:
            for source in _sources(instruction):
                _add(stages[-1], source, earlier)
        elif instruction.name == "ARG":  # only arguments before the first FROM apply there
            for argument in words:
                name, equals, value = argument.partition("=")
                if equals:
                    arguments[name] = _expand_at(instruction.line, value, arguments) or ""
    return stages


def _expand_at(line: int, word: str, arguments: Mapping[str, str]) -> str | None:
    """Expand the variables of a word in a line; see `_expand`.

    Raises:
        ContextError: the result is far too long for an image's name.
    """
    try:
        return _expand(_plain(word), arguments)
    except _TooLongError:
        raise ContextError(
            f"line {line} of the dockerfile expands to more than {_LONGEST} characters",
            hint="Engines expand such values until their memory is full. Give the ARGs before FROM shorter ones.",
        ) from None


def _sources(instruction: Instruction) -> list[str]:
    """Return the stages and images that an instruction takes files from."""
    found = []
    if instruction.name == "COPY":
        found.append(instruction.flag("from"))
    elif instruction.name == "RUN":
        for flag, value in instruction.flags:
            if flag == "mount":
                found.append(
                    dict(part.partition("=")[::2] for part in value.split(",")).get("from", "")
                )
    return [name for name in found if name and "$" not in name]


def _add(stage: _Stage, source: str, earlier: Mapping[str, int]) -> None:
    """Record what a stage needs: an earlier stage, by name or number, or an image."""
    named = earlier.get(source.lower())
    if named is not None:
        stage.stages.add(named)
    elif not source.isdecimal() and source.lower() != "scratch":
        stage.images.append(source)


def _platform() -> dict[str, str]:
    """Return the predefined arguments of builders, for a build on the machine's own platform."""
    machine = os.uname().machine
    if (architecture := _ARCHITECTURES.get(machine)) is None:
        return {}
    values = {"PLATFORM": f"linux/{architecture}", "OS": "linux", "ARCH": architecture}
    return {f"{of}{name}": value for of in ("TARGET", "BUILD") for name, value in values.items()}


def text_of(content: bytes) -> str:
    """Return the text of a Containerfile."""
    return content.decode("utf-8-sig", errors="replace")


def _plain(word: str) -> str:
    """Return a word without the quotes around it."""
    return unquoted(word, "\\") if word[:1] in ("'", '"') else word


def _expand(text: str, arguments: Mapping[str, str]) -> str | None:
    """Expand the variables of a text; ``None`` if one has no value, or if the text itself is far too long for an image's name.

    Raises:
        _TooLongError: the result is far too long for an image's name.
    """
    if len(text) > _LONGEST:
        return None
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
    if len(expanded) > _LONGEST:
        raise _TooLongError
    return None if unknown else expanded
