"""Builds images from the user's own Containerfile, unchanged, with a small stage on top that adds the guest part."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.archive.archive import Archive
from buildr.archive.tar import Member, pack
from buildr.engines.records import BuildRequest
from buildr.errors import BuildError, EngineError, ImageNotFoundError
from buildr.host.interpreter import is_python
from buildr.image.builder_check import check
from buildr.image.secret_values import lookout, own_secrets
from buildr.layout import APP
from buildr.plan.dockerfile import frontend, without_frontend
from buildr.plan.dockerfile_reach import OFFICIAL_FRONTEND
from buildr.plan.stages import render_marker_stage
from buildr.plan.staging import CONTAINERFILE, counting, extra_members, guest_members, source_tree
from buildr.run.helper import helper

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.archive.tar import Part
    from buildr.engines.containers import Containers
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Image
    from buildr.plan.project import Project
    from buildr.plan.sources import Sources

_NAME = ".buildr-Containerfile"
# Both engines read this file and leave out what it names: the Containerfile may be outside the context.
_IGNORE = Member(path=".dockerignore", data=f".dockerignore\n{_NAME}\n".encode())


def build_own(
    backend: Backend,
    project: Project,
    sources: Sources,
    progress: Progress,
    say: Callable[[str], None],
    *,
    cache: bool,
) -> str:
    """Build the user's own Containerfile unchanged, and add the guest part; return the image's id.

    Args:
        backend: the engine.
        project: what to build.
        sources: its files.
        progress: receives the events of the build.
        say: called with each line that the user should know about it.
        cache: whether layers of an earlier build may serve.

    Raises:
        OptionError: a secret cannot be read.
        ContextError: a file cannot be read.
        BuildError: the builder does not know what it uses, a step failed, or the image names no command and does not hold
            the script.
    """
    own = _build_as_it_is(backend, project, sources, progress, say, cache=cache)
    image = backend.image(own)
    if image is None:
        raise ImageNotFoundError(f"the image {own} vanished after its build")
    command = _command(backend, image, project)
    user = "0:0" if project.package.user == "root" else None
    stage = render_marker_stage(image, project.key, command, project.recipe.files, user=user)
    parts: list[Part] = [Member(path=CONTAINERFILE, data=stage.encode())]
    return backend.build(
        BuildRequest(
            context=pack(
                [*parts, *guest_members(), *extra_members(sources)], lookout=lookout(project)
            ),
            containerfile=CONTAINERFILE,
            tags=(project.reference,),
            cache=cache,
        ),
        progress,
    )


def _build_as_it_is(
    backend: Backend,
    project: Project,
    sources: Sources,
    progress: Progress,
    say: Callable[[str], None],
    *,
    cache: bool,
) -> str:
    path = project.dockerfile or ""
    secrets, hide = own_secrets(project)
    tree = source_tree(project, sources)
    looks = lookout(project)

    def build(content: bytes, *, fetches: bool = True) -> str:
        check(content, path, backend.info, fetches=fetches)
        archive = Archive(
            tree=tree,
            members=(_IGNORE, Member(path=_NAME, data=content)),
            lookout=looks,
            on_sent=counting(progress),
        )
        request = BuildRequest(
            context=archive, containerfile=_NAME, cache=cache, own=True, secrets=secrets
        )
        try:
            return backend.build(
                request, lambda event: progress(replace(event, text=hide(event.text)))
            )
        except BuildError as error:
            raise BuildError(
                hide(error.what), step=hide(error.step), hint=hide(str(error.hint))
            ) from None

    try:
        return build(sources.dockerfile)
    except BuildError as error:
        name = frontend(sources.dockerfile)
        if not re.fullmatch(OFFICIAL_FRONTEND, name) or name not in error.step:
            raise
        say(f"{name} cannot be pulled, so {path} is built with the builder that the engine has")
    return build(without_frontend(sources.dockerfile), fetches=False)


def _command(backend: Containers, image: Image, project: Project) -> tuple[str, ...]:
    """Return the command of a user's image.

    That is its own CMD; if it has none, or only the bare interpreter of the official Python images, the script.

    Raises:
        BuildError: the script is not found.
    """
    bare = len(image.command) == 1 and is_python(image.command[0])
    if image.entrypoint or (image.command and not bare):
        return image.command
    python, *options = project.placement.command
    interpreter = (image.command[0] if bare else python,)
    if "-m" in options:
        return (*interpreter, *options)
    *options, script = options
    return (*interpreter, *options, _place(backend, image, script, project))


def _place(backend: Containers, image: Image, script: str, project: Project) -> str:
    """Return the script's path in an image: below its working directory or ``/app``, with its folder or without.

    Raises:
        BuildError: it is in none of these places.
    """
    relative = os.path.relpath(script, APP)
    inner = "/__main__.py" if os.path.isdir(project.context / relative) else ""
    workdir = image.workdir or "/"
    places = [
        os.path.normpath(os.path.join(folder, path))
        for folder in (workdir, APP)
        for path in (relative, os.path.basename(script))
    ]
    with helper(backend, image.id) as container:
        for place in dict.fromkeys(places):
            if _holds(backend, container, place + inner):
                return place
    raise BuildError(
        f"the image of {project.dockerfile} names no command, and {relative} is not in it:"
        f" neither in its working directory {workdir} nor in {APP}",
        hint="Let it COPY the script there, or give it a CMD of its own.",
    )


def _holds(backend: Containers, container: str, path: str) -> bool:
    try:
        next(backend.get_archive(container, path), None)
    except EngineError as error:
        if error.status != 404:
            raise
        return False
    return True
