"""The base images of a build: looked up, pulled if they are not stored, pulled again on request.

Builds themselves never pull, so that a failed pull is reported as such before the upload.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from buildr.context.entries import printable
from buildr.errors import BuildError, ImageNotFoundError, Message, OptionError, OptionName
from buildr.layout import ENTRYPOINT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildr.engines.images import Images
    from buildr.engines.progress import Progress
    from buildr.engines.records import Image
    from buildr.plan.project import Project

_TAKES_FILES = r"(?i)\s*(?:COPY|ADD)\s"
_SHOWN = 80  # characters of an instruction
_ONLY_HERE = "localhost/"  # the engines' prefix of local images


def find_bases(backend: Images, project: Project, progress: Progress) -> list[Image]:
    """Return the base images of a project's build; for a user's own Containerfile those that it names.

    Raises:
        ContextError: the user's own Containerfile cannot be read.
        ImageNotFoundError: an image can neither be found nor pulled, or cannot be pulled again.
        BuildError: an image's ``ONBUILD`` requests more than the build's files and a private network.
    """
    found = _found(backend, project, progress)
    for image in found:
        if image.triggers:
            _check_triggers(image)
    return found


def _found(backend: Images, project: Project, progress: Progress) -> list[Image]:
    refresh = project.package.pull
    if project.dockerfile is None:
        return [_find(backend, project.recipe.base_image, progress, refresh=refresh)]
    from buildr.options.reference import parse_reference
    from buildr.plan.dockerfile import bases, needed_bases, read_dockerfile

    content = read_dockerfile(project.dockerfile)
    all_stages = backend.info.builder.all_stages
    found = []
    for name in bases(content) if all_stages else needed_bases(content):
        try:
            reference = str(parse_reference(name).normalised())
        except OptionError:
            reference = ""  # an id, or an invalid reference, which the engine reports with its line
        if not reference and not name.startswith("sha256:"):
            continue
        image = backend.image(name)  # first by its short name, which may be that of a local image
        if reference and (image is None or refresh):
            image = _find(backend, reference, progress, refresh=refresh)
        found += [image] if image else []
    return found


def base_notes(project: Project, bases: Sequence[Image]) -> Iterator[str]:
    """Yield notes about the base image of a generated Containerfile, a line each."""
    if project.dockerfile is not None:
        return
    for base in bases:
        if base.entrypoint and base.entrypoint != ENTRYPOINT:
            yield (
                f"the base image's own ENTRYPOINT, {printable(shlex.join(base.entrypoint))}, does not run: Buildr's takes its"
                " place; with a Containerfile of your own it runs"
            )
        for trigger in base.triggers:
            if re.match(_TAKES_FILES, trigger) and "--from=" not in trigger:
                yield (
                    f"the base image's {printable(f'ONBUILD {trigger[:_SHOWN]}')} looks for files at the top of the build, where the"
                    " project is with a Containerfile of your own only"
                )


def _check_triggers(image: Image) -> None:
    """Refuse an image whose ``ONBUILD`` instructions request more, which the user has neither read nor allowed."""
    from buildr.plan.dockerfile_reach import triggers_reach

    if asked := triggers_reach(image.triggers):
        raise BuildError(
            f"the base image {printable(min(image.tags, default=image.id))} asks for more, in each build on top of it (ONBUILD), than"
            " the build's own files and a private network:"
            f" {printable('; '.join(asked))}",
            hint="Take another base image; or make an image from it by the engine's own command, and take that.",
        )


def _find(backend: Images, reference: str, progress: Progress, *, refresh: bool) -> Image:
    stored = backend.image(reference)
    if stored is not None and not (refresh and _may_change(reference)):
        return stored
    try:
        return backend.pull(reference, progress)
    except ImageNotFoundError as error:
        why = Message("It is not stored here, so it has to be pulled.")
        if stored is not None:
            why = Message(
                "An older one is stored here, which is used without ",
                OptionName("package.pull"),
                ".",
            )
        raise ImageNotFoundError(error.what, hint=Message(why, "\n", error.hint)) from None


def _may_change(reference: str) -> bool:
    """Whether a registry may have another image with this name than the stored one."""
    return not reference.startswith((_ONLY_HERE, "sha256:")) and "@" not in reference
