"""The source mounted in the container instead of a copy: ``mount_source``, ``buildr run --live``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from buildr.engines.container_spec import MountSpec
from buildr.errors import ContainerError, Message, OptionError, OptionName
from buildr.layout import APP
from buildr.options.errors import exclusive

if TYPE_CHECKING:
    from buildr.engines.engine import Engine
    from buildr.plan.project import Project

_SELINUX = "/sys/fs/selinux/enforce"  # exists if the kernel has SELinux enabled


def source_mounted(project: Project) -> Project:
    """Return the project with a mounted source, whose images do not contain it.

    If an installation needs the source, the image has it, too; the mount covers it.

    Raises:
        OptionError: another option needs the source in the image.
    """
    package = project.package
    if package.publish:
        raise exclusive(
            OptionName("package.publish"),
            OptionName("runtime.mount_source"),
            "what is mounted is not in an image that could be published",
            hint="Leave one of them out; `buildr build` makes an image that holds the source.",
        )
    if project.dockerfile is not None:
        raise exclusive(
            OptionName("runtime.mount_source"),
            OptionName("package.dockerfile"),
            "where that expects the source is not known",
            hint=Message(
                "Mount it yourself where your Containerfile expects it, with ",
                OptionName("runtime.mounts"),
                ": ./src:/where/it/goes.",
            ),
        )
    for file in project.package.additional_files:
        if f"{file.dest.rstrip('/')}/".startswith(f"{APP}/"):
            raise OptionError(
                Message(
                    f"the additional file {file.src} goes to {file.dest}, which ",
                    OptionName("runtime.mount_source"),
                    " covers",
                ),
                hint=Message(
                    f"Give it a place outside of {APP}, or leave ",
                    OptionName("runtime.mount_source"),
                    " out.",
                ),
            )
    recipe = project.recipe
    if recipe.source_first or recipe.local:
        return project
    return replace(project, recipe=replace(recipe, mounted=True))


def source_mount(backend: Engine, project: Project) -> MountSpec:
    """Return the mount of the source.

    Raises:
        ContainerError: the engine does not share files with this process.
    """
    if backend.info.remote:
        raise ContainerError(
            f"the source cannot be mounted: the engine at {backend.info.endpoint} runs on another machine",
            hint="Leave mount_source (--live) out: then the source is sent there.",
        )
    source = os.path.realpath(project.placement.context)
    # Without the shared label, SELinux denies a guest access to a home directory.
    relabel: Literal["", "z"] = "z" if os.path.exists(_SELINUX) else ""
    return MountSpec(kind="bind", source=source, target=APP, relabel=relabel)
