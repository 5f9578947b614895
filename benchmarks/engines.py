"""The engines to measure, as ``scripts/engines up`` describes them, with the user and the environment of each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT = ("PIP_", "SSL_CERT", "LANG", "LC_")  # the only variables that are passed on


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One engine.

    Attributes:
        name: ``podman-rootless``, ``podman-root`` or ``docker``.
        backend: ``podman`` or ``docker``; also the name of its command.
        uid: the user of its commands; ``None``: the user who runs the benchmarks.
        groups: that user's groups.
        environ: the whole environment of its commands.
        base_image: a stored image to use instead of the default base image.
    """

    name: str
    backend: str
    uid: int | None
    groups: tuple[int, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    base_image: str

    def identity(self) -> dict[str, Any]:
        """Return `subprocess.Popen` arguments that run a command as the engine's user, without a wrapper."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.groups[0], "extra_groups": self.groups}

    def output(self, *words: str, cwd: str = "/", check: bool = True) -> str:
        """Run a command as the engine's user, untimed, and return what it prints.

        Raises:
            BenchmarkError: it failed and ``check`` is set.
        """
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            words,
            cwd=cwd,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            **self.identity(),
        )
        if check and done.returncode != 0:
            raise BenchmarkError(
                f"{' '.join(words)} failed on {self.name} with status {done.returncode}:\n"
                f"{done.stderr.decode(errors='replace')}"
            )
        return done.stdout.decode(errors="replace")

    def give(self, path: Path) -> None:
        """Give a file or a tree to the engine's user."""
        if self.uid is None:
            return
        for one in (path, *path.rglob("*")):
            os.chown(one, self.uid, self.groups[0], follow_symlinks=False)

    def remove_images(self, *, name: str) -> None:
        """Remove all images named ``localhost/buildr/NAME``, with any tag."""
        rows = self.output(
            self.backend,
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            "--filter",
            f"reference=localhost/buildr/{name}",
        )
        if tags := rows.split():
            self.output(self.backend, "rmi", "--force", *tags, check=False)


class BenchmarkError(Exception):
    """A measurement is not possible; the message says why."""


def load(path: str) -> list[Engine]:
    """Return the engines described by a file of ``scripts/engines``.

    Raises:
        BenchmarkError: there is no such file.
    """
    try:
        state = json.loads(Path(path).read_text())
    except OSError as error:
        raise BenchmarkError(
            f"no engine is up: {path}: {error.strerror}. Run scripts/bench, or scripts/engines up"
        ) from None
    return [_engine(name, found, state["base_image"]) for name, found in state["engines"].items()]


def version(engine: Engine) -> str:
    """Return the version of an engine's server."""
    words = ("version", "--format", "{{.Server.Version}}")
    if engine.backend == "podman":
        words = ("version", "--format", "{{.Client.Version}}")
    return engine.output(engine.backend, *words).strip()


def _engine(name: str, found: Mapping[str, Any], base_image: str) -> Engine:
    user = found["user"]
    uid = found["uid"] if user else None
    groups: tuple[int, ...] = ()
    if user:
        import pwd

        gid = pwd.getpwnam(user).pw_gid
        groups = (gid, *(g for g in os.getgrouplist(user, gid) if g != gid))
    kept = {k: v for k, v in os.environ.items() if k.startswith(_KEPT)}
    return Engine(
        name=name,
        backend=found["backend"],
        uid=uid,
        groups=groups,
        environ={
            "PATH": os.environ["PATH"],
            "HOME": found["home"],
            **kept,
            **found["environ"],
            "BUILDR_BACKEND": found["backend"],
            "BUILDR_BASE_IMAGE": base_image,
        },
        base_image=base_image,
    )


def program(name: str) -> str:
    """Return the path of a program.

    Raises:
        BenchmarkError: it is not on ``PATH``.
    """
    found = shutil.which(name)
    if found is None:
        raise BenchmarkError(f"there is no {name} on PATH")
    return found
