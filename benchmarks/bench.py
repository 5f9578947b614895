"""What the cases share: projects that the engine's user owns, and runs of Buildr alternating with the engine's command."""

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
"""The prefix of all image names."""
FEW = 3
"""The number of pairs for cases that take minutes each."""
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
        """The engine's own run command."""
        return f"{self.engine.backend} run --rm"

    def directory(self, name: str) -> Path:
        """Return the path of a directory that the engine's user owns; create it if necessary."""
        path = self._work / name
        if not path.exists():
            path.mkdir()
            self.engine.give(path)
        return path

    def project(self, kind: str) -> Path:
        """Return the path of a project; create it if necessary. Its name is also the name of its images."""
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
        """Run the image that Buildr built of a project with the engine's own command."""
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
        """Return an image's default command, for runs whose arguments would replace it."""
        text = self.engine.output(
            self.engine.backend, "image", "inspect", "--format", "{{json .Config.Cmd}}", image
        )
        found: list[str] = json.loads(text)
        return tuple(found)

    def peer_build(self, project: Path, image: str) -> Run:
        """Build a project with the engine's own command, from a typical hand-written Containerfile."""
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
        """Call two functions alternately (A B A B …). The first call of each is a warm-up and is not counted."""
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
        """Remove the images and files that were created."""
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
    """Check that both sides printed the same output.

    Raises:
        BenchmarkError: the outputs differ.
    """
    outputs = {run.output for run in (*ours, *theirs)}
    if len(outputs) != 1:
        raise BenchmarkError(f"the two sides print different output: {sorted(outputs)[:2]}")


def today() -> str:
    """Return today's date."""
    return time.strftime("%Y-%m-%d", time.gmtime())
