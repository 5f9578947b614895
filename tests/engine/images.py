"""Helpers of the engine tests to build, inspect and compare images."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tests.engine.harness import project_directory

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from tests.engine.harness import Engine

SCRIPT = """\
{imports}
from buildr import Containerize

@Containerize(package={package!r}, runtime={runtime!r})
def main():
{body}

if __name__ == "__main__":
    main()
"""

_PYC_HEADER_BYTES = 16  # PEP 552

SAVE = """\
import sys
from buildr.engines import registry
backend = registry.connect(registry.choose(), print)
for chunk in backend.save(sys.argv[1]):
    sys.stdout.buffer.write(chunk)
"""


class File(Struct, frozen=True, kw_only=True):
    """One path of an image."""

    kind: str
    """``-``, ``d`` and ``l``, as ``ls -l`` shows them."""
    mode: int
    owner: str
    """``uid:gid``."""
    target: str = ""
    """The target of a symbolic link."""
    digest: str = ""
    """SHA-256 of a file's content; of bytecode without its header, which holds the time of the source."""
    time: float = 0
    """The time of the last change, in seconds since the epoch."""
    names: tuple[str, ...] = ()
    """All paths of a file with hard links."""


class Site:
    """A project of an engine's user, whose images have a unique name.

    Attributes:
        engine: the engine that runs it.
        directory: the directory of its files.
        name: the option ``name``.
    """

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        self.directory = directory
        self.name = f"t-{secrets.token_hex(5)}"

    @property
    def reference(self) -> str:
        """The name of the last built image."""
        return f"localhost/buildr/{self.name}:latest"

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files, and create their folders."""
        for name, content in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.own()

    def own(self) -> None:
        """Give all files to the engine's user."""
        if os.geteuid() == 0:  # otherwise the user owns them already
            os.chown(self.directory, self.engine.uid, self.engine.uid)
            for folder, folders, files in os.walk(self.directory):
                for name in (*folders, *files):
                    path = os.path.join(folder, name)
                    os.chown(path, self.engine.uid, self.engine.uid, follow_symlinks=False)

    def script(
        self,
        body: str = "pass",
        *,
        imports: str = "",
        package: Mapping[str, Any] | None = None,
        runtime: Mapping[str, Any] | None = None,
        path: str = "app.py",
    ) -> None:
        """Write a script with a decorated function."""
        text = SCRIPT.format(
            imports=imports,
            package={"name": self.name, **(package or {})},
            runtime=dict(runtime or {}),
            body="\n".join(f"    {line}" for line in body.splitlines()),
        )
        self.write({path: text})

    def run(self, *words: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        """Run Python in the project, with ``app.py`` by default."""
        return self.engine.python(*(words or ("app.py",)), **{"cwd": self.directory, **more})

    def images(self, *, prepared: bool = False) -> list[str]:
        """Return the ids of the images with this project's name, as `images` does."""
        return images(self.engine, f"localhost/buildr/{self.name}", prepared=prepared)

    def remove(self) -> None:
        """Remove all images with this project's name."""
        self.engine.remove_images(f"localhost/buildr/{self.name}")


def site(engine: Engine, name: str = "project") -> Iterator[Site]:
    """Make a project; its files and images are removed when the test ends."""
    for directory in project_directory(engine, name):
        made = Site(engine, directory)
        try:
            yield made
        finally:
            made.remove()


def images(engine: Engine, repository: str, *, prepared: bool = False) -> list[str]:
    """Return the ids of a repository's images, each once, in their order.

    Args:
        engine: the engine that stores them.
        repository: the name without a tag.
        prepared: whether to include images that have no source yet.
    """
    found = engine.images(repository)
    return sorted({image for image, name in found if prepared or not name.endswith("-prepared")})


def inspect(engine: Engine, reference: str) -> dict[str, Any]:
    """Return what the engine knows of an image."""
    found: dict[str, Any] = json.loads(engine.cli("image", "inspect", reference))[0]
    return found


def files_of(engine: Engine, reference: str) -> dict[str, File]:
    """Return the files that an image adds to its base, by absolute path.

    Deleted paths have a name that begins with ``.wh.``.
    """
    base = len(inspect(engine, engine.base_image)["RootFS"]["Layers"])
    found: dict[str, File] = {}
    with tempfile.TemporaryFile() as archive:
        process = engine.popen(sys.executable, "-c", SAVE, reference, cwd=Path("/"), stdout=archive)
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()
        archive.seek(0)
        with tarfile.open(fileobj=archive) as saved:
            manifest = json.loads(_content(saved, saved.getmember("manifest.json")))
            for name in manifest[0]["Layers"][base:]:
                with tarfile.open(fileobj=saved.extractfile(name)) as layer:
                    found |= _layer(layer)
    return found


def _layer(layer: tarfile.TarFile) -> dict[str, File]:
    found: dict[str, File] = {}
    names: dict[str, list[str]] = {}  # of a hard link, by its first path in the layer
    for member in layer:
        path = f"/{member.name}".rstrip("/")
        first = f"/{member.linkname}" if member.islnk() else path
        names.setdefault(first, []).append(path)
        found[path] = replace(found[first]) if member.islnk() else _file(layer, member)
    for same in names.values():
        if len(same) > 1:
            found |= {path: replace(found[path], names=tuple(sorted(same))) for path in same}
    return found


def _file(layer: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    kind = {tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l", tarfile.REGTYPE: "-"}[member.type]
    digest = ""
    if kind == "-":
        content = _content(layer, member)
        if member.name.endswith(".pyc"):
            content = content[_PYC_HEADER_BYTES:]
        digest = hashlib.sha256(content).hexdigest()
    return File(
        kind=kind,
        mode=stat.S_IMODE(member.mode),
        owner=f"{member.uid}:{member.gid}",
        target=member.linkname,
        digest=digest,
        time=member.mtime,
    )


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None, member.name
    return file.read()


def snapshot(directory: Path) -> dict[str, tuple[int, int, int, str]]:
    """Return mode, owner, time of the last change, and content of everything below a directory."""
    found = {}
    for folder, folders, files in os.walk(directory):
        for name in (".", *folders, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = ""
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            found[path] = (status.st_mode, status.st_uid, status.st_mtime_ns, content)
    return found


def nothing_left(engine: Engine, seconds: float = 10) -> Iterator[None]:
    """Check, after the tests, that none of their containers is left, including those of builds.

    Args:
        engine: the engine to check.
        seconds: how long to wait for containers of other tests that use the engine at the same time.
    """
    before = engine.containers()
    yield
    left = engine.containers() - before
    deadline = time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        time.sleep(0.5)
        left &= engine.containers()
    assert not left
