"""Helpers of the engine tests: an engine and its user, and scripts that run as if that user had started them."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")

# The only variables that are passed on. Coverage is not measured: it doubles the time of a small run, and signals
# interrupt its code.
_KEPT = ("PIP_", "SSL_CERT", "LANG", "LC_")
_TRIES = 5
_SECONDS = 300  # longer than any run, even on a slow machine


class Engine:
    """One engine, with its user and environment.

    Attributes:
        name: ``podman-rootless``, ``podman-root`` or ``docker``.
        backend: ``podman`` or ``docker``.
        user: the user of its commands; ``None``: the user of the tests.
        environ: the whole environment of its commands.
        base_image: a stored image to use instead of the default base image.
    """

    def __init__(self, name: str, found: dict[str, Any], base_image: str) -> None:
        self.name = name
        self.backend: str = found["backend"]
        self.user: str | None = found["user"]
        self.uid: int = found["uid"]
        self.home: str = found["home"]
        self.base_image = base_image
        kept = {k: v for k, v in os.environ.items() if k.startswith(_KEPT)}
        self.environ: dict[str, str] = {
            "PATH": os.environ["PATH"],
            "HOME": self.home,
            **kept,
            **found["environ"],
            "BUILDR_BACKEND": self.backend,
            "BUILDR_BASE_IMAGE": base_image,
        }

    def __repr__(self) -> str:
        return self.name

    def command(self, *words: str) -> list[str]:
        """Return a command line that runs ``words`` as the engine's user."""
        if self.user is None:
            return list(words)
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", *words]

    def popen(
        self, *words: str, cwd: Path, env: Mapping[str, str] | None = None, **kwargs: Any
    ) -> subprocess.Popen[bytes]:
        """Start a command as the engine's user, by default with pipes for all three streams."""
        streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(
            self.command(*words),
            cwd=cwd,
            env={**self.environ, **(env or {})},
            **{**streams, **kwargs},
        )

    def run(
        self, *words: str, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command as the engine's user to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=cwd,
            env={**self.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )

    def python(self, *words: str, **kwargs: Any) -> subprocess.CompletedProcess[bytes]:
        """Run Python as the engine's user."""
        return self.run(sys.executable, *words, **kwargs)

    def cli(self, *words: str) -> str:
        """Run the engine's own command, and return what it prints."""
        done = self.run(self.backend, *words, cwd=Path("/"))
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def images(self, repository: str) -> set[tuple[str, str]]:
        """Return id and name of each image of a repository (a name without a tag)."""
        form = "{{.ID}} {{.Repository}}:{{.Tag}}"
        words = ("images", "--no-trunc", "--filter", f"reference={repository}", "--format", form)
        # Podman fails to list images while another process removes one.
        rows = (row.split() for row in retry(lambda: self.cli(*words)).splitlines())
        return {(image, name) for image, name in rows}

    def remove_images(self, repository: str) -> None:
        """Remove all images of a repository, even used ones; other tests may remove them at the same time.

        By name: an engine refuses to remove a parent image by its id, and lists images of the same second in any order.
        """

        def remove() -> None:
            if names := sorted(name for _, name in self.images(repository)):
                self.cli("rmi", "--force", *names)

        retry(remove)

    def containers(self) -> set[str]:
        """Return the ids of all containers, including exited ones and those of builds."""
        external = ["--external"] if self.backend == "podman" else []
        command = ("ps", "--all", "--quiet", "--no-trunc", *external)
        return retry(lambda: set(self.cli(*command).split()))


def retry(operation: Callable[[], T]) -> T:
    """Retry what fails if something disappears meanwhile: Podman's lists, and removing a folder during housekeeping.

    Raises:
        AssertionError: an engine command fails each time.
        OSError: a file operation fails each time.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(AssertionError, OSError):
            return operation()
    return operation()


_ACTIVATED = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execvp("podman", ["podman", "system", "service", "--time=0"])
"""


@contextlib.contextmanager
def podman_service(engine: Engine, path: Path, inside: Sequence[str] = ()) -> Iterator[None]:
    """Run a service of Podman's at a socket, which all users may open; it listens at once, as systemd's sockets do.

    Args:
        engine: whose user runs it.
        path: of the socket.
        inside: words before the command.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()
        words = (sys.executable, "-c", _ACTIVATED, str(listener.fileno()))
        with subprocess.Popen(
            [*inside, *engine.command(*words)],
            cwd="/",
            env=engine.environ,
            stdin=subprocess.DEVNULL,
            pass_fds=(listener.fileno(),),
        ) as service:
            try:
                yield
            finally:
                service.kill()


class Guest:
    """The script ``guest/app.py``, whose arguments choose what it does, in its own project.

    Attributes:
        engine: the engine that runs it.
        directory: the directory of the project.
    """

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        self.directory = directory
        shutil.copy(Path(__file__).parent / "guest" / "app.py", directory)
        give(engine, directory)
        self._plain = directory.parent / "plain"
        plain_buildr(self._plain)

    def run(
        self,
        *words: str,
        stdin: bytes = b"",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        **options: object,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the script to its end; ``options`` are the options of the run."""
        return self.engine.python(
            "app.py",
            *words,
            cwd=cwd or self.directory,
            stdin=stdin,
            env={**as_environment(options), **(env or {})},
        )

    def without_buildr(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run the script as if its decorator did nothing."""
        return self.engine.python(
            "app.py", *words, cwd=self.directory, env={"PYTHONPATH": str(self._plain)}
        )

    def line(self, *words: str) -> str:
        """Return a shell command line that runs the script."""
        return shlex.join([sys.executable, "app.py", *words])

    def shell(self, command: str) -> subprocess.CompletedProcess[bytes]:
        """Run a shell command in the project."""
        return self.engine.run("sh", "-c", command, cwd=self.directory)

    def start(
        self, *words: str, env: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.Popen[bytes]:
        """Start the script; ``options`` are the options of the run."""
        return self.engine.popen(
            sys.executable,
            "app.py",
            *words,
            cwd=self.directory,
            env={**as_environment(options), **(env or {})},
        )

    def facts(self, *names: str, **more: Any) -> dict[str, Any]:
        """Run the script, and return what it sees of its environment."""
        done = self.run("facts", *names, **more)
        assert done.returncode == 0, done.stderr.decode()
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def as_environment(options: Mapping[str, object]) -> dict[str, str]:
    """Return the environment that passes options of the run to ``guest/app.py``."""
    return {"RUNTIME_OPTIONS": json.dumps(options)} if options else {}


class Registries:
    """The registries on loopback."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.open: str = found["open"]
        self.password: str = found["password"]["address"]
        self.user: str = found["password"]["user"]
        self.secret: str = found["password"]["password"]


def fresh_runtime_directory(engine: Engine) -> Iterator[Path]:
    """Yield an unused XDG_RUNTIME_DIR for the engine's user, without processes of Buildr or Podman."""
    directory = Path(tempfile.mkdtemp(prefix="bt-"))  # short: sockets' paths have at most 107 bytes
    directory.chmod(0o700)
    give(engine, directory)
    yield directory
    # Podman's pause process keeps its pid file here; the user's other Podman processes still need it.
    shutil.rmtree(directory, ignore_errors=True)


def project_directory(engine: Engine, name: str = "project") -> Iterator[Path]:
    """Make a directory that the engine's user owns; it is removed when the test ends."""
    top = Path(tempfile.mkdtemp(prefix="buildr-test-"))
    directory = top / name
    directory.mkdir()
    top.chmod(0o755)
    give(engine, directory)
    try:
        yield directory
    finally:
        retry(lambda: shutil.rmtree(top))


def plain_buildr(directory: Path) -> None:
    """Make a directory for ``PYTHONPATH`` with a ``buildr`` whose decorator does nothing."""
    directory.mkdir()
    (directory / "buildr.py").write_text(
        "def Containerize(function=None, **options):\n"
        "    return function or (lambda function: function)\n"
    )


def give(engine: Engine, path: Path) -> None:
    """Give a file or a tree to the engine's user."""
    if engine.user is None:
        return
    for one in (path, *path.rglob("*")):
        shutil.chown(one, engine.user, engine.user)


def await_line(process: subprocess.Popen[bytes], wanted: bytes) -> None:
    """Read the standard output of a process up to a line that contains a text."""
    assert process.stdout is not None
    seen = b""
    while wanted not in (line := process.stdout.readline()):
        seen += line
        assert line, (seen, process.stderr and process.stderr.read())
