"""The plan of a run: the one record that every runner takes."""

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
    """What is to run, how, and where; decided without asking an engine."""

    settings: Settings
    """The options that hold, and where each comes from."""
    choices: Choices
    """Which runner runs it, and which engine builds it."""
    entry: Entry | None = None
    """The program with its arguments; ``None``: that of `image`."""
    project: Project | None = None
    """The project that its image is built from; ``None``: `image` exists already."""
    image: str = ""
    """The reference of an image that runs as it is, in place of a project's."""
    command: tuple[str, ...] = ()
    """What runs in place of the program; empty: the program."""
    cache: bool = True
    """Whether an image, or layers, of an earlier build may serve."""
    stored_secrets: tuple[tuple[str, str], ...] = ()
    """Variables of a rendered plan that secrets of the place where it runs give their values, each with the secret's name."""

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
        settings: the options that hold for it.
        backend: the flag ``--backend``.
        builder: the flag ``--builder``.
        command: what runs in place of the program; empty: the program.
        cache: whether an image, or layers, of an earlier build may serve.

    Raises:
        TrustError: the project's file asks for what the user does not allow.
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
    """Plan the run of an image that exists already.

    Args:
        image: its full reference.
        settings: the options that hold.
        command: in place of the image's own; empty: that stays.

    Raises:
        TrustError: the project's file asks for what the user does not allow.
    """
    allow(settings)
    return RunPlan(settings=settings, choices=choose(settings), image=image, command=command)
