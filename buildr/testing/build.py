"""The builds of a fake engine: their files, and the configuration that their Containerfiles ask for."""

from __future__ import annotations

import io
import json
import re
import shlex
import tarfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from buildr.engines.records import Event, Image
from buildr.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.engines.records import BuildRequest, OnEvent

# One reference inside another, as in ${A:+${A}:}, is as deep as it goes.
_VARIABLE = r"\$(?:(\w+)|\{(\w+)(?:(:[-+])((?:\$\{\w+\}|[^}])*))?\})"

Stored: TypeAlias = Callable[[str], Image | None]

_KINDS: dict[bytes, Literal["file", "directory", "symlink", "hardlink"]] = {
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
}


class BuildFile(Struct, frozen=True, kw_only=True):
    """One entry of a build's tar stream."""

    kind: Literal["file", "directory", "symlink", "hardlink"]
    mode: int
    """Permission bits."""
    uid: int
    gid: int
    modified: float
    """Seconds since 1970."""
    target: str
    """Of a link."""
    data: bytes
    """Of a file; holes are zeros."""


class FakeBuild(Struct, frozen=True, kw_only=True):
    """A build requested from a fake engine."""

    containerfile: str
    """Its text."""
    files: Mapping[str, BuildFile]
    """Everything in the tar stream, by path."""
    archive: bytes
    """The tar stream itself."""
    labels: Mapping[str, str]
    tags: tuple[str, ...]
    cache: bool


def read_build(request: BuildRequest) -> FakeBuild:
    """Read a request's tar stream.

    Raises:
        BuildError: the stream is not a tar archive, or does not hold the Containerfile.
    """
    archive = b"".join(request.context)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            files = {member.name: _file(tar, member) for member in tar}
    except tarfile.TarError as error:
        raise BuildError(f"the context is not a tar archive: {error}") from None
    if request.containerfile not in files:
        raise BuildError(f"the context does not hold {request.containerfile}")
    return FakeBuild(
        containerfile=files[request.containerfile].data.decode(),
        files=files,
        archive=archive,
        labels=dict(request.labels),
        tags=request.tags,
        cache=request.cache,
    )


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> BuildFile:
    content = tar.extractfile(member) if member.isreg() else None
    return BuildFile(
        kind=_KINDS.get(member.type, "file"),
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        modified=float(member.mtime),
        target=member.linkname,
        data=content.read() if content else b"",
    )


def configuration(text: str, stored: Stored, on_event: OnEvent) -> Image:
    """Follow a Containerfile's instructions as far as they decide the image's configuration.

    RUN and COPY do nothing here. Shell forms become ``/bin/sh -c``, as the Dockerfile reference has it.

    Args:
        text: the Containerfile.
        stored: looks up a base image.
        on_event: called with each instruction.

    Returns:
        The last stage's image, without an id.

    Raises:
        BuildError: a base image is not stored.
    """
    steps = list(_instructions(text))
    stages: dict[str, Image] = {"scratch": Image(id="")}
    image, name = Image(id=""), ""
    for number, (word, rest) in enumerate(steps, 1):
        on_event(Event(kind="step", text=f"{word} {rest}", current=number, total=len(steps)))
        if word == "FROM":
            base, _, name = _words_of_from(rest)
            found = stages.get(base) or stored(base)
            if found is None:
                raise BuildError(f"{base}: the base image is not stored", hint="Pull it first.")
            image = replace(found, id="", tags=())
        else:
            image = _applied(image, word, rest)
        stages[name] = image
    return image


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield instructions with continued lines joined and comments left out."""
    joined = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue
        joined += line
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        word, _, rest = joined.strip().partition(" ")
        yield word.upper(), rest.strip()
        joined = ""


def _words_of_from(rest: str) -> list[str]:
    words = [word for word in rest.split() if not word.startswith("--")]
    return words if len(words) == 3 else [words[0], "AS", ""]


def _applied(image: Image, word: str, rest: str) -> Image:
    if word == "ENTRYPOINT":  # which takes back a CMD that was there before
        return replace(image, entrypoint=_command(rest), command=())
    if word == "CMD":
        return replace(image, command=_command(rest))
    if word in ("USER", "WORKDIR"):
        return replace(image, **{word.lower(): rest})
    if word == "LABEL":
        return replace(image, labels={**image.labels, **_pairs(rest)})
    if word == "ENV":
        known = dict(line.split("=", 1) for line in image.environment)
        environment = known | _pairs(_expanded(rest, known))
        return replace(image, environment=tuple(f"{k}={v}" for k, v in environment.items()))
    return image


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into a text, as ENV does: ``$A``, ``${A}``, ``${A:-otherwise}``, ``${A:+if so}``."""

    def value(match: re.Match[str]) -> str:
        found = variables.get(match[1] or match[2], "")
        if match[3] == ":+":
            return _expanded(match[4], variables) if found else ""
        return found or _expanded(match[4] or "", variables)

    return re.sub(_VARIABLE, value, text)


def _pairs(rest: str) -> dict[str, str]:
    return {key: value for key, _, value in (word.partition("=") for word in shlex.split(rest))}


def _command(rest: str) -> tuple[str, ...]:
    return tuple(json.loads(rest)) if rest.startswith("[") else ("/bin/sh", "-c", rest)
