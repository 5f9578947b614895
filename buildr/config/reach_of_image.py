"""The requests of options of the image beyond the project: see `buildr.config.reach`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from buildr.errors import ContextError
from buildr.options.secrets import HOST_PIP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.config.given import Given

_OFFICIAL = ("docker.io/library", "docker.io", "index.docker.io/library", "library")
_OFFLINE_BASE = "offline-base"  # as `buildr base` calls it, in localhost/buildr


def _repository(_given: Given, value: str) -> Iterator[str]:
    if value in _OFFICIAL:
        yield f"an image under the name of an official one, {value}"


def _name(given: Given, value: str) -> Iterator[str]:
    if value == _OFFLINE_BASE and given.package.repository in (None, "localhost/buildr"):
        yield f"an image under the name of your base images, {value}"


def _publish(given: Given, value: bool) -> Iterator[str]:
    if value:
        yield f"the image pushed to {given.package.repository}, with your login there"


def _dockerfile(given: Given, value: str) -> Iterator[str]:
    from buildr.plan.dockerfile import read_dockerfile
    from buildr.plan.dockerfile_reach import reach

    if path := given.outside(value):
        yield f"{path} as its Containerfile"
    try:
        content = read_dockerfile(os.path.join(given.places.context, os.path.expanduser(value)))
    except ContextError:
        return  # reported where it is used
    yield from (f"{what}, by {value}" for what in reach(content))


def _additional_files(given: Given, value: Any) -> Iterator[str]:
    for file in value:
        if path := given.outside(file.src):
            yield f"{path} of this host, copied into the image"


def _context(given: Given, value: str) -> Iterator[str]:
    if path := given.outside(value, given.places.start):
        yield f"all files in {path}, sent to the build"


def _user(given: Given, _value: str) -> Iterator[str]:
    if given.runtime.mounts or given.runtime.mount_source:
        yield "root in the container, beside mounts"


def _include_secrets(_given: Given, value: bool) -> Iterator[str]:
    if value:
        yield "files that look like secrets, in the image"


def _secrets(given: Given, value: Any) -> Iterator[str]:
    for secret in value:
        if secret.id == HOST_PIP:
            yield "pip's settings on this host, with logins, for the installation"
        elif secret.env is not None:
            yield f"your variable {secret.env}, for the installation"
        elif path := given.outside(secret.src or ""):
            yield f"{path} of this host, for the installation"


def _wheel_cache(_given: Given, value: bool) -> Iterator[str]:
    if value:
        yield "the cache of wheels that your other projects install from"


RULES: dict[str, Callable[[Given, Any], Iterator[str]]] = {
    "package.repository": _repository,
    "package.name": _name,
    "package.publish": _publish,
    "package.dockerfile": _dockerfile,
    "package.additional_files": _additional_files,
    "package.context": _context,
    "package.user": _user,
    "package.include_secrets": _include_secrets,
    "package.secrets": _secrets,
    "package.wheel_cache": _wheel_cache,
}
"""What each option may ask for, by its key."""
