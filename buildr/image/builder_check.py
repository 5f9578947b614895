"""Features that a user's own Containerfile uses and the engine's builder lacks: reported before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.errors import BuildError
from buildr.plan.dockerfile import HERE_DOCUMENTS, frontend, needs

if TYPE_CHECKING:
    from buildr.engines.records import EngineInfo

_OFFICIAL = "docker/dockerfile:1"
_ADVICE = {
    HERE_DOCUMENTS: "Join the commands with `&&`, or COPY a file that holds them.",
    "COPY --link": "Leave --link out: the image has the same files.",
    "ADD --link": "Leave --link out: the image has the same files.",
    "RUN --network": "Leave --network out.",
    "RUN --mount": "Leave it out where it is a cache; files can come by COPY --from.",
    "COPY --chmod": "Use RUN chmod in the next line.",
    "ADD --chmod": "Use RUN chmod in the next line.",
}
_OTHERWISE = "Write that line without it."


def check(content: bytes, path: str, info: EngineInfo, *, fetches: bool = True) -> None:
    """Refuse a Containerfile that the engine cannot build.

    Args:
        content: its text.
        path: its place, for messages.
        info: of the engine.
        fetches: whether the frontend of a line ``# syntax=`` is available.

    Raises:
        BuildError: it uses a feature that the builder lacks.
    """
    builder = info.builder
    if builder.frontends and frontend(content):
        return
    for need, line in needs(content).items():
        if (since := builder.lacks.get(need)) is None:
            continue
        name = builder.name or f"{info.backend.capitalize()} {info.version}"
        hint = f"{since} does. {_ADVICE.get(need, _OTHERWISE)}"
        if builder.frontends and fetches:
            hint += f"\nOr begin the file with `# syntax={_OFFICIAL}`: it is built with that builder, which Docker pulls."
        raise BuildError(f"{path}, line {line}: {name} does not know {need}", hint=hint)
