"""The plan of a run, the input of every runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.config.trust import allow
from buildr.plan.project import plan
from buildr.runners.choice import choose

if TYPE_CHECKING:
    from buildr.config import Settings
    from buildr.options import Package, Runtime
    from buildr.plan.entry import Entry
    from buildr.plan.project import Project
    from buildr.runners.choice import Choices

__all__ = ["RunPlan", "plan_image", "plan_run"]


class RunPlan(Struct, frozen=True, kw_only=True):
    """What to run, how, and where; decided without an engine."""

    settings: Settings
    """The effective options and their origins."""
    choices: Choices
    """The chosen runner and the engine that builds."""
    entry: Entry | None = None
    """The program with its arguments; ``None``: that of `image`."""
    project: Project | None = None
    """The project of its image; ``None``: `image` exists already."""
    image: str = ""
    """The reference of an existing image to run instead of a project's."""
    command: tuple[str, ...] = ()
    """What runs in place of the program; empty: the program."""
    cache: bool = True
    """Whether images and layers of earlier builds may be used."""
    stored_secrets: tuple[tuple[str, str], ...] = ()
    """Variables of a rendered plan whose values come from secrets of the target, with the secrets' names."""

    @property
    def package(self) -> Package:
        """The options of the image."""
        return self.settings.package

    @property
    def runtime(self) -> Runtime:
        """The options of the run."""
        return self.settings.runtime


def plan_run(
    entry: Entry,
    settings: Settings,
    *,
    backend: str | None = None,
    builder: str | None = None,
    command: tuple[str, ...] = (),
    cache: bool = True,
) -> RunPlan:
    """Plan the run of a program.

    Args:
        entry: the program.
        settings: its effective options.
        backend: the flag ``--backend``.
        builder: the flag ``--builder``.
        command: a command to run instead of the program; empty: the program.
        cache: whether images and layers of earlier builds may be used.

    Raises:
        TrustError: the project's file requests what the user does not allow.
        BuildrError: the program cannot become an image; see `buildr.plan.project.plan`.
    """
    allow(settings)
    return RunPlan(
        settings=settings,
        choices=choose(settings, backend=backend, builder=builder),
        entry=entry,
        project=plan(entry, settings.package, env_files=settings.runtime.env_file),
        command=command,
        cache=cache,
    )


def plan_image(image: str, settings: Settings, *, command: tuple[str, ...] = ()) -> RunPlan:
    """Plan the run of an existing image.

    Args:
        image: its full reference.
        settings: the effective options.
        command: replaces the image's command; empty: its own.

    Raises:
        TrustError: the project's file requests what the user does not allow.
    """
    allow(settings)
    return RunPlan(settings=settings, choices=choose(settings), image=image, command=command)
