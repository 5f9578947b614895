"""Finds what a Containerfile requests beyond the files of the build and a private network.

By default a step has no more than that. But a file can request more: with a flag of ``RUN``, with an address that the
engine downloads from the network of its machine, or with a file of that machine as an image.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from buildr.plan.dockerfile import bases, frontend, text_of
from buildr.plan.dockerfile_syntax import instructions, unquoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.plan.dockerfile_syntax import Instruction

OFFICIAL_FRONTEND = r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?"
"""The usual frontend in ``# syntax=``; the engines' own one has the same features or slightly fewer."""

_USUAL_NETWORKS = ("", "none", "default")
_USUAL_MOUNTS = (
    "",
    "bind",
    "tmpfs",
    "secret",
    "ssh",
)  # for an ssh agent, which Buildr does not forward
# https://man.archlinux.org/man/containers-transports.5: prefixes of references that are not names in a registry.
_TRANSPORT = re.compile(
    r"(?:containers-storage|dir|docker-archive|docker-daemon|oci|oci-archive|ostree|sif|tarball):"
)
_ADDRESS = re.compile(r"(?i)[^/]*://|git@|github\.com/|[^/]*\$")


def reach(content: bytes) -> tuple[str, ...]:
    """Return the requests of a Containerfile, each once, described for users.

    What depends on a variable counts as requested.
    """
    text = text_of(content)
    found = []
    builder = frontend(content)
    if builder and not re.fullmatch(OFFICIAL_FRONTEND, builder):
        found.append(f"{builder} as its builder, which decides what its lines mean")
    found += (f"{name} of this host as an image" for name in bases(content) if _is_file(name))
    for instruction in instructions(text):
        found += _of(instruction)
    return tuple(dict.fromkeys(found))


def triggers_reach(triggers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requests of an image's ``ONBUILD`` instructions."""
    return reach("\n".join(("FROM scratch", *triggers)).encode())


def _of(instruction: Instruction) -> Iterator[str]:
    if instruction.name == "ONBUILD":
        text = f"# escape={instruction.escape}\n{' '.join(instruction.words)}"
        for inner in instructions(text):
            if inner.name != "ONBUILD":
                yield from _of(inner)
    elif instruction.name == "RUN":
        for flag, value in instruction.flags:
            if rule := _FLAGS.get(flag):
                yield from rule(value)
    elif instruction.name == "ADD":
        yield from (
            f"{source}, which the engine gets over the network of this host"
            for source in _operands(instruction)[:-1]
            if _ADDRESS.match(source)
        )
    elif instruction.name == "COPY":
        yield from _from(instruction.flag("from"))


def _network(value: str) -> Iterator[str]:
    if value.lower() not in _USUAL_NETWORKS:
        yield "the network of this host, with what listens on 127.0.0.1 there, for its steps"


def _security(value: str) -> Iterator[str]:
    if value.lower() != "sandbox":
        yield "steps without the engine's confinement"


def _device(value: str) -> Iterator[str]:
    yield f"the device {value} for its steps"


def _mount(value: str) -> Iterator[str]:
    # Of two fields with the same name both count.
    fields = [part.strip().partition("=") for part in value.split(",")]
    for key, _, said in fields:
        if key.lower() == "from":
            yield from _from(said)
        elif key.lower() == "type" and said.lower() == "cache":
            yield "caches that other builds on this engine use"
        elif key.lower() == "type" and said.lower() not in _USUAL_MOUNTS:
            yield f"a mount of the type {said} for its steps"


def _from(source: str) -> Iterator[str]:
    if "$" in source or _is_file(source):
        yield f"{source} of this host as an image"


def _is_file(image: str) -> bool:
    return _TRANSPORT.match(image) is not None


def _operands(instruction: Instruction) -> list[str]:
    """Return the words of an instruction that takes a list, also in JSON form, without quotes."""
    try:
        found = json.loads(" ".join(instruction.words))
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list):
        return [str(word) for word in found]
    return [unquoted(word, instruction.escape) for word in instruction.words]


_FLAGS: dict[str, Callable[[str], Iterator[str]]] = {
    "network": _network,
    "security": _security,
    "device": _device,
    "mount": _mount,
}
"""Flags of ``RUN`` with a wider effect; all others only concern the step."""
