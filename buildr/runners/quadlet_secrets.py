"""Keeps secrets in variables and arguments out of units, which people share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.context.secret_contents import find_secret
from buildr.host.confidential import holds_login, is_confidential

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["secret_arguments", "written_variables"]


def written_variables(
    env: Mapping[str, str | None], stored: Collection[str], notes: list[str]
) -> Iterator[tuple[str, str]]:
    """Yield the variables that may be written into the unit; note those that are left out.

    Args:
        env: the variables; ``None`` stands for this host's value.
        stored: variables whose values are Podman secrets.
        notes: receives a line for each omitted variable.
    """
    for name, value in env.items():
        if name in stored:
            continue
        if value is not None and not is_confidential(name) and not _is_secret(value):
            yield name, value
            continue
        reason = "it has this host's value" if value is None else "it looks like a secret"
        notes.append(
            f"the variable {name} is left out, since {reason}: make it a secret of Podman's (podman secret create {name} -) and"
            f" name that with --podman-secret {name}, or put it into a file and name that with --env-file"
        )


def secret_arguments(command: Sequence[str]) -> Iterator[str]:
    """Yield a line for each argument that looks like a secret; arguments cannot be left out."""
    option = ""
    for word in command:
        name, value = "", word
        if word.startswith("-"):
            name, _, value = word.partition("=")
        if (value and is_confidential(name or option)) or _is_secret(word):
            where = f" ({name or option})" if name or option else ""
            yield f"an argument{where} looks like a secret, and is written into the unit: pass it in a variable"
        option = name if not value else ""


def _is_secret(text: str) -> bool:
    """Whether a text looks like a secret."""
    return holds_login(text) or find_secret(text.encode(errors="surrogateescape"))
