"""What every case needs: projects of the engine's user, and Buildr and the engine's own command in turn."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks import projects, timed
from benchmarks.engines import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.engines import Engine
    from benchmarks.timed import Run

T = TypeVar("T")

PREFIX = "buildr-bench-"
"""Of the names of all images that are made here."""
FEW = 3
"""Pairs, of what takes minutes each."""
_MEGABYTE = 1_000_000


class Bench:
    """One engine on the bench.

    Args:
        engine: the engine.
        work: an empty directory that the engine's user can enter.
        pairs: how often each side runs.
    """

    def __init__(self, engine: Engine, work: Path, pairs: int) -> None:
        self.engine = engine
        self.pairs = pairs
        self._work = work

    @property
    def bare(self) -> str:
        """The name of the engine's own command to run."""
        return f"{self.engine.backend} run --rm"

    def directory(self, name: str) -> Path:
        """Return the path of a directory of the engine's user, made now if need be."""
        path = self._work / name
        if not path.exists():
            path.mkdir()
            self.engine.give(path)
        return path

    def project(self, kind: str) -> Path:
        """Return the path of a project, made now if need be; its name is that of its images."""
        path = self._work / f"{PREFIX}{kind}"
        if not path.exists():
            path.mkdir()
            projects.KINDS[kind](path, path.name)
            self.engine.give(path)
        return path

    def buildr(
        self,
        project: Path,
        *words: str,
        environ: Mapping[str, str] | None = None,
        read: Callable[[int], bytes] | None = None,
    ) -> Run:
        """Run ``python app.py``."""
        command = (sys.executable, "app.py", *words)
        return timed.run(self.engine, command, cwd=project, environ=environ, read=read)

    def build(self, project: Path, environ: Mapping[str, str] | None = None) -> Run:
        """Run ``buildr build app.py``."""
        return timed.run(
            self.engine, (buildr_command(), "build", "app.py"), cwd=project, environ=environ
        )

    def plain(
        self,
        project: Path,
        *words: str,
        environ: Mapping[str, str] | None = None,
        read: Callable[[int], bytes] | None = None,
    ) -> Run:
        """Run the image that Buildr has made of a project, by the engine's own command."""
        image = f"localhost/buildr/{project.name}"
        command = self.image_command(image) if words else ()
        return timed.run(
            self.engine,
            (self.engine.backend, "run", "--rm", image, *command, *words),
            cwd="/",
            environ=environ,
            read=read,
        )

    def image_command(self, image: str) -> tuple[str, ...]:
        """Return an image's command, which arguments replace."""
        text = self.engine.output(
            self.engine.backend, "image", "inspect", "--format", "{{json .Config.Cmd}}", image
        )
        found: list[str] = json.loads(text)
        return tuple(found)

    def peer_build(self, project: Path, image: str) -> Run:
        """Build a project by the engine's own command, from a Containerfile such as one writes by hand."""
        recipe = self._work / "Containerfile"
        if not recipe.exists():
            recipe.write_text(
                f"FROM {self.engine.base_image}\n"
                "WORKDIR /app\n"
                "COPY --chown=1000:0 . /app/\n"
                "USER 1000:0\n"
                f'CMD ["python", "-u", "/app/{projects.PLAIN}"]\n'
            )
        command = (self.engine.backend, "build", "-q", "-f", str(recipe), "-t", image, ".")
        return timed.run(self.engine, command, cwd=project)

    def in_turn(
        self,
        ours: Callable[[], T],
        theirs: Callable[[], T],
        *,
        pairs: int | None = None,
        warm_up: bool = True,
    ) -> tuple[list[T], list[T]]:
        """Call two things in turn, A B A B …; the first call of each warms up and is not counted."""
        if warm_up:
            ours()
            theirs()
        found: tuple[list[T], list[T]] = ([], [])
        for _ in range(pairs or self.pairs):
            found[0].append(ours())
            found[1].append(theirs())
        return found

    def forget(self, *names: str) -> None:
        """Remove the images of projects."""
        for name in names:
            self.engine.remove_images(name=name)

    def close(self) -> None:
        """Remove all images and files that were made."""
        if self.engine.name:
            self.forget(f"{PREFIX}*")
        shutil.rmtree(self._work, ignore_errors=True)


def buildr_command() -> str:
    """Return the path of ``buildr`` beside the interpreter."""
    return str(Path(sys.executable).parent / "buildr")


def seconds(runs: list[Run]) -> list[float]:
    """Return the wall times."""
    return [run.seconds for run in runs]


def megabytes(runs: list[Run]) -> list[float]:
    """Return the peaks of memory."""
    return [run.peak_bytes / _MEGABYTE for run in runs]


def same_output(ours: list[Run], theirs: list[Run]) -> None:
    """Check that both sides did the same.

    Raises:
        BenchmarkError: they did not.
    """
    outputs = {run.output for run in (*ours, *theirs)}
    if len(outputs) != 1:
        raise BenchmarkError(f"the two sides do not do the same: {sorted(outputs)[:2]}")


def today() -> str:
    """Return the date."""
    return time.strftime("%Y-%m-%d", time.gmtime())
