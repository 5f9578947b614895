"""One installation in a separate container: secrets are passed by standard input, and the result is an archive."""

from __future__ import annotations

import contextlib
import json
import os
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr import labels
from buildr.archive.header import FILE, header
from buildr.archive.tar import pack
from buildr.context.lookout import Lookout
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.engines.plaintext import refuse_plaintext
from buildr.errors import BuildError, EngineLostError
from buildr.host.proxies import build_proxies
from buildr.installer.log import Log
from buildr.installer.output import read_answer, receive
from buildr.installer.secrets import find_secret
from buildr.layout import MARKERS
from buildr.plan.containerfile import PIP_VARIABLES
from buildr.run.lifecycle import create, remove
from buildr.run.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildr.archive.tar import Part
    from buildr.engines.container_spec import MountSpec
    from buildr.engines.containers import Containers
    from buildr.engines.progress import Progress
    from buildr.engines.records import Image
    from buildr.installer.secrets import Secrets
    from buildr.plan.containerfile import Recipe

_OPTIONS = ("--disable-pip-version-check",)
_WHITEOUT = b".wh."
"""Begins the name of what a layer removes (OCI image specification, "Whiteouts")."""

_CHANGES, _INSIDE = "buildr.installer.changes", "buildr.installer.in_container"
_LOADER = """\
import sys, types
for name, text in {modules!r}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main()
"""


def program(*names: str) -> str:
    """Return the text of a program that runs in a container, where Buildr is not installed.

    Args:
        names: its modules, the last one with its ``main``; by default those of an installation.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    modules = []
    for name in names or (_CHANGES, _INSIDE):
        with open(f"{here}/{name.rpartition('.')[2]}.py", encoding="utf-8") as file:
            modules.append((name, file.read()))
    return _LOADER.format(modules=modules)


class Cache(Struct, frozen=True, kw_only=True):
    """A cache that pip may use."""

    mount: MountSpec
    key: str
    """Names the kind of image for which wheels are built."""


class Installed(Struct, frozen=True, kw_only=True):
    """Changes of an installation other than written files."""

    removed: tuple[str, ...]
    """The paths that are gone, including those that exist again as something else, such as a file in place of a
    folder.
    """
    replaced: tuple[str, ...] = ()
    """Only those that exist again as something else."""

    @property
    def listed(self) -> bytes:
        """The removed paths, each followed by a NUL."""
        return b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in self.removed)

    @property
    def whiteouts(self) -> bytes:
        """Whiteouts for removed paths; recreated paths need none."""
        found = b""
        for path in sorted({*self.removed}.difference(self.replaced)):
            folder, _, name = path.lstrip("/").encode("utf-8", "surrogateescape").rpartition(b"/")
            found += header(b"/".join(filter(None, (folder, _WHITEOUT + name))), FILE, mode=0o644)
        return found


class Order(Struct, frozen=True, kw_only=True):
    """One installation."""

    recipe: Recipe
    """What to install; with a cache, without what is part of the source."""
    parts: Iterable[Part]
    """The files that the installation reads."""
    base: Image
    """The image to start from."""
    secrets: Secrets
    """What pip can access during the installation."""
    cache: Cache | None = None
    """The cache that pip may use and the image does not contain; the files that pip reads are then part of the image."""

    def message(self, proxies: Mapping[str, str]) -> bytes:
        """Return the line that the program in the container reads.

        Args:
            proxies: the variables that name the host's proxies.
        """
        recipe, cache = self.recipe, self.cache
        content = {
            "installs": [[*_OPTIONS, *words] for words in recipe.installs],
            "owner": int(recipe.user) if recipe.user.isdecimal() else 0,
            "variables": {
                **proxies,
                **dict(recipe.versions),
                **self.secrets.variables,
                **PIP_VARIABLES,
            },
            "files": self.secrets.files,
            "meanings": self.secrets.meanings,
            "keep_files": cache is not None,
            "cache": {"root": cache.mount.target, "key": cache.key} if cache else None,
        }
        return json.dumps(content).encode() + b"\n"


def install(backend: Containers, order: Order, archive: str, progress: Progress) -> Installed:
    """Install into a container; write what it changed to a file.

    Args:
        backend: the engine.
        order: what to install, on what.
        archive: path of the tar archive to write.
        progress: shows pip's log.

    Raises:
        BuildError: pip failed, or what it wrote contains a secret.
        ContainerError: there can be no such container; nothing of the user's has run.
        EngineError: the engine refused.
    """
    info, cache = backend.info, order.cache
    proxies = build_proxies(info.proxies, info.endpoint, remote=info.remote)
    if info.plaintext:
        _refuse_in_clear(info.endpoint, order.secrets, proxies)
    spec = ContainerSpec(
        image=order.base.id,
        entrypoint=("python",),
        # -B: what pip imports is compiled by pip's own process, as in a RUN step, and so is a part of the image.
        command=("-BIS", "-c", program()),
        environment=MARKERS,
        mounts=(cache.mount,) if cache else (),
        labels=ownership.labels(0, labels.HELPER_ROLE),
        logged=False,  # an archive of possibly gigabytes does not belong in a log
        workdir="/",
        user="0:0",
    )
    log = Log(
        order.secrets, progress, cache.mount.target if cache else None, order.recipe.base_image
    )
    with Watchdog(info.backend, info.endpoint, spec.labels[labels.RUN], 0) as watchdog:
        container = create(backend, spec, watchdog)
        try:
            packed = pack(order.parts, lookout=Lookout(order.secrets.sought))
            sent = chain([order.message(proxies)], packed)
            installed = _run(backend, container, sent, archive, log)
        finally:
            remove(backend, container, watchdog)
    if found := find_secret(archive, order.secrets):
        raise BuildError(
            f"the installation wrote the secret {found[0]!r} into {found[1]}, so nothing of it was stored",
            hint="A package that stores what it was given cannot be installed with that secret.",
        )
    return installed


def _refuse_in_clear(url: str, secrets: Secrets, proxies: Mapping[str, str]) -> None:
    if secrets.variables or secrets.files:
        refuse_plaintext(url, "the build secrets")
    if any("@" in proxy for proxy in proxies.values()):
        refuse_plaintext(url, "the password of a proxy")


def _run(
    backend: Containers, container: str, sent: Iterable[bytes], archive: str, log: Log
) -> Installed:
    with (
        open(archive, "wb") as file,
        contextlib.closing(backend.attach(container, tty=False)) as streams,
    ):
        backend.start(container)
        with contextlib.suppress(EngineLostError):  # it ended early; its log and status say why
            for chunk in sent:
                streams.write(chunk)
            streams.close_write()
        first = receive(streams, file, log)
        status = backend.wait(container)
    if status or not first:
        raise log.failed(status)
    return read_answer(first, Installed)


__all__ = ["Cache", "Installed", "Order", "install"]
