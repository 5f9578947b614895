"""A run with nothing changed, on an engine that stores many images, after a killed build."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from typing import TYPE_CHECKING

from benchmarks.bench import PREFIX, seconds
from benchmarks.results import Measure, series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.bench import Bench

_IMAGES = 500
_NAME = f"{PREFIX}store"
# What a killed build leaves in the cache.
_KILLED = "import os, sys; from buildr.host.marks import Mark; mark = Mark('build', sys.argv[1], 'x'); os.kill(os.getpid(), 9)"


def large_store(bench: Bench) -> Iterator[Measure]:
    """The unchanged small project, with few stored images and with many. A build is killed before each run with many."""
    project = bench.project("small")
    engine = bench.engine

    def few(times: int) -> list[float]:
        return seconds([bench.buildr(project) for _ in range(times)])

    bench.buildr(project)
    # Half of them before and half afterwards, in case the machine slows down meanwhile.
    small = few(bench.pairs - bench.pairs // 2)
    directory = bench.directory("store")
    engine.output(engine.backend, "load", "--quiet", "--input", str(_archive(directory)))
    try:
        large = []
        for _ in range(bench.pairs):
            engine.output(sys.executable, "-c", _KILLED, engine.backend, check=False)
            large.append(bench.buildr(project))
    finally:
        bench.forget(_NAME)
    small += few(bench.pairs // 2)
    yield Measure(
        case="large-store",
        engine=engine.name,
        title=f"nothing changed, store of {_IMAGES} images, after a killed build",
        how="ratio",
        ours=series(f"Buildr, {_IMAGES} images more", seconds(large)),
        theirs=series("Buildr, few images", small),
        limit=1.1,
    )


def _archive(directory: Path) -> Path:
    """Write an archive like that of ``docker save``, with many images that share one layer."""
    path = directory / "images.tar"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as layer:
        layer.addfile(tarfile.TarInfo("empty"))
    data = content.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    manifest = []
    with tarfile.open(path, "w") as archive:
        _add(archive, f"{digest}.tar", data)
        for number in range(_IMAGES):
            config = {
                "architecture": "amd64",
                "os": "linux",
                "created": "2026-01-01T00:00:00Z",
                "config": {"Labels": {"number": str(number)}},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                "history": [{"created_by": "the benchmark"}],
            }
            text = json.dumps(config).encode()
            name = f"{hashlib.sha256(text).hexdigest()}.json"
            _add(archive, name, text)
            tag = f"localhost/buildr/{_NAME}:{number}"
            manifest.append({"Config": name, "RepoTags": [tag], "Layers": [f"{digest}.tar"]})
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    path.chmod(0o644)
    return path


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
