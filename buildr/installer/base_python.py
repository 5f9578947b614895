"""Checks before a build that the base image has a Python that the project supports.

pip checks this for each package, but not for the project itself, whose source is copied; a script would fail much
later.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from buildr import labels
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.engines.streams import STDOUT
from buildr.errors import BackendError, DependencyError
from buildr.host import cache
from buildr.host.limits import PROGRAM_ANSWER
from buildr.plan.python_version import required_python
from buildr.run.lifecycle import create, remove
from buildr.run.watchdog import Watchdog

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Image
    from buildr.plan.project import Project

__all__ = ["check_python", "python_of"]

_KIND = "base-python"
_VARIABLE = "PYTHON_VERSION="
"""The variable of the official images, and of images made from them."""
_OFFICIAL = "docker.io/library/python:"
_VERSION = r"[0-9]+\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?"
_LOOK = (
    'exec "$(command -v python || command -v python3)" -ISc'
    " 'import platform; print(platform.python_version())'"
)


def check_python(backend: Backend, project: Project, base: Image) -> None:
    """Check that the base image has a Python that the project supports.

    Args:
        backend: the engine.
        project: to be built.
        base: its base image, which is stored.

    Raises:
        DependencyError: it has another one.
    """
    asked = required_python(project.context, project.dependencies)
    if asked is None:
        return
    version = python_of(backend, base)
    if version is None:
        return  # the build reports the error
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    allowed, where = asked
    try:
        fits = SpecifierSet(allowed).contains(version, prereleases=True)
    except InvalidSpecifier:
        return
    if not fits:
        raise DependencyError(
            f"{where} asks for {allowed}, and the base image {project.recipe.base_image} has Python {version}",
            hint='Name another base image (base_image, BUILDR_BASE_IMAGE) or version (package={"py_version": "3.12"}),'
            " refresh one that is old (--pull), or change what the project asks for.",
        )


def python_of(backend: Backend, image: Image) -> str | None:
    """Return the version of an image's Python; ``None`` if it is unknown. The result is cached."""
    for line in image.environment:
        if line.startswith(_VARIABLE) and re.fullmatch(_VERSION, line.removeprefix(_VARIABLE)):
            return line.removeprefix(_VARIABLE)
    if any(tag.startswith(_OFFICIAL) for tag in image.tags):
        return None
    name = cache.key(image.id)
    stored = [bytes(part).decode(errors="replace") for part in cache.load(_KIND, name) or ()]
    if len(stored) == 1 and re.fullmatch(_VERSION, stored[0]):
        return stored[0]
    found = None
    with contextlib.suppress(BackendError):
        found = re.match(_VERSION, _look(backend, image.id))
    if found is None:
        return None
    cache.store(_KIND, name, found[0].encode())
    return found[0]


def _look(backend: Backend, image: str) -> str:
    """Ask the image's own Python for its version."""
    spec = ContainerSpec(
        image=image,
        entrypoint=("/bin/sh",),
        command=("-c", _LOOK),
        labels=ownership.labels(0, labels.HELPER_ROLE),
        workdir="/",
        user="0:0",
    )
    info = backend.info
    said = bytearray()
    with Watchdog(info.backend, info.endpoint, spec.labels[labels.RUN], 0) as watchdog:
        container = create(backend, spec, watchdog)
        try:
            with contextlib.closing(backend.attach(container, tty=False)) as streams:
                backend.start(container)
                streams.close_write()
                while len(said) < PROGRAM_ANSWER and (pieces := streams.read()):
                    said += b"".join(bytes(data) for stream, data in pieces if stream == STDOUT)
                if len(said) < PROGRAM_ANSWER:  # otherwise it is not an answer, and may never end
                    backend.wait(container)
        finally:
            remove(backend, container, watchdog)
    return said.decode(errors="replace").strip()
