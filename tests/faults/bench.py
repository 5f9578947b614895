"""Where faults happen: an engine with the proxy before it, a project with its image, and a look from outside."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.engine.harness import Engine, as_environment, give, retry
from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 120  # nothing that ought to end takes longer, however slow the machine
HOOK = """\
import importlib, os, threading, time

def stall(at):
    module, path = at.split(":")
    found = importlib.import_module(module)
    *owners, name = path.split(".")
    for owner in owners:
        found = getattr(found, owner)
    real = getattr(found, name)
    def stalled(*words, **more):
        setattr(found, name, real)  # only the first call
        open(os.environ["FAULT_REACHED"], "w").close()
        open(os.environ["FAULT_GO"]).close()
        return real(*words, **more)
    setattr(found, name, stalled)

def step(path):
    real = time.time
    def stepped():
        with open(path) as file:
            return real() + float(file.read())
    time.time = stepped

def eat(path):
    open(path).close()  # a FIFO: when somebody opens it for writing
    eaten = []
    while True:
        eaten.append(b"x" * (1 << 20))

if at := os.environ.get("FAULT_AT"):
    stall(at)
if path := os.environ.get("FAULT_CLOCK"):
    step(path)
if path := os.environ.get("FAULT_EAT"):
    threading.Thread(target=eat, args=(path,), daemon=True).start()
"""


class Bench:
    """One engine's; a context manager.

    Attributes:
        engine: that runs it.
        directory: the project's.
        name: of the script, which no other project has.
        proxy: before the engine.
        waited_seconds: how long it took, each time, until nothing was left of a run.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._stack = contextlib.ExitStack()
        self.top = Path(tempfile.mkdtemp(prefix="bf-"))
        self.name = f"f{self.top.name[3:].lower().replace('_', '0')}"
        self.directory = self.top / "project"
        self.proxy: Proxy
        self._service: subprocess.Popen[bytes] | None = None
        self._spare: subprocess.Popen[bytes] | None = None
        self.waited_seconds: list[float] = []

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_up(self) -> None:
        for name in ("project", "tmp", "cache", "hook", "run"):
            (self.top / name).mkdir()
        shutil.copy(Path(__file__).parent / "guest_app.py", self.directory / f"{self.name}.py")
        (self.top / "hook" / "sitecustomize.py").write_text(HOOK)
        self.top.chmod(0o755)
        give(self.engine, self.top)
        self.socket = self.top / "run" / "engine.sock"
        self.spare_socket = self.top / "run" / "spare.sock"
        self.upstream = upstream = self.socket_of_docker() or str(self.socket)
        if self.engine.backend == "podman":
            self.serve()
        self.proxy = Proxy(self.top / "run" / "proxy.sock", upstream)
        self._stack.enter_context(self.proxy)
        done = self.run("status", "0")
        assert done.returncode == 0, done.stderr.decode()

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.stop_serving()
        if self._spare is not None:
            self._service, self._spare = self._spare, None
            self.stop_serving()
        with contextlib.suppress(AssertionError):
            self.engine.remove_images(f"localhost/buildr/{self.name}")
        shutil.rmtree(self.top, ignore_errors=True)

    # The engine -----------------------------------------------------------------------------------

    def socket_of_docker(self) -> str:
        return self.engine.environ.get("DOCKER_HOST", "").removeprefix("unix://")

    def serve(self) -> None:
        """Start a Podman service of our own, over the engine's storage."""
        self._service = self.service(self.socket)

    def service(self, path: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a Podman service on a socket; return when it listens."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        service = self.engine.popen(
            *("podman", "system", "service", "--time=0", f"unix://{path}"),
            cwd=Path("/"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
        )
        deadline = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(path))
                return service
            assert service.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)  # there is no event for a new socket

    def prepare_return(self) -> None:
        """See to it that the engine can be back at once when it has gone."""
        if self.engine.backend == "podman":
            self._spare = self.service(self.spare_socket)

    def go_away(self) -> None:
        """Let the engine go away: Podman's service is killed; of dockerd the socket and all connections vanish."""
        self.stop_serving()
        self.proxy.vanish()

    def come_back(self) -> None:
        """Let the engine be back."""
        if self._spare is not None:
            self._service, self._spare = self._spare, None
            self.spare_socket.rename(self.socket)  # the listener goes on to
        self.proxy.appear()

    def ask(self, request: str) -> None:
        """Ask the engine itself, past the proxy, for what is done at once; its own command takes long to start."""
        method, path = request.split(" ", 1)
        place = self.spare_socket if self._spare is not None else self.upstream
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(str(place))
            connection.sendall(
                f"{method} /v1.41{path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b""
            while data := connection.recv(1 << 16):
                answer += data
        assert answer.split(maxsplit=2)[1] in (b"200", b"204"), answer

    def stop_serving(self) -> None:
        """Kill that service."""
        if self._service is not None:
            self._service.kill()
            self._service.wait()
            self._service = None
            with contextlib.suppress(FileNotFoundError):
                self.socket.unlink()

    def start_again(self, command: list[bytes]) -> None:
        """Start dockerd again; return when it answers."""
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(OSError, AssertionError):
                self.ask("GET /_ping")
                return
            assert time.monotonic() < deadline
            time.sleep(0.1)  # there is no event for a new socket

    def registry(self) -> str:
        """Return the address of a registry that the engine may push to."""
        found = json.loads(Path(os.environ["BUILDR_TEST_ENGINES"]).read_text())
        address: str = found["registries"]["open"]
        return address

    # The host process -----------------------------------------------------------------------------

    def environment(
        self, *, proxied: bool = True, env: Mapping[str, str] | None = None, **options: object
    ) -> dict[str, str]:
        found = {
            "TMPDIR": str(self.top / "tmp"),
            # Images of killed builds are removed while no build runs: other tests of this user would keep them from it.
            "XDG_CACHE_HOME": str(self.top / "cache"),
            **as_environment({"grace_seconds": 1, **options}),
        }
        if proxied:
            variable = "DOCKER_HOST" if self.engine.backend == "docker" else "CONTAINER_HOST"
            found[variable] = f"unix://{self.proxy.path}"
        return {**found, **(env or {})}

    def start(
        self,
        *words: str,
        proxied: bool = True,
        env: Mapping[str, str] | None = None,
        **options: object,
    ) -> subprocess.Popen[bytes]:
        """Start the script."""
        return self.engine.popen(
            *(sys.executable, f"{self.name}.py", *words),
            cwd=self.directory,
            env=self.environment(proxied=proxied, env=env, **options),
        )

    def run(self, *words: str, proxied: bool = False) -> subprocess.CompletedProcess[bytes]:
        """Run the script to its end, as a rule past the proxy."""
        process = self.start(*words, proxied=proxied)
        try:
            output, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()  # its run would disturb all that come after it
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def change(self, size: int = 5 << 20) -> None:
        """Change a file of the project, by so many bytes; by default by so much that the next run builds an image."""
        path = self.directory / "ballast"
        path.write_bytes(os.urandom(size))
        give(self.engine, self.directory)

    def forget_prepared(self) -> None:
        """Take the names of the images away that only the source is missing in, so that the next run builds one."""
        words = ("images", "--filter", f"reference=localhost/buildr/{self.name}")
        tags = self._listed(*words, "--format", "{{.Tag}}")
        names = [f"localhost/buildr/{self.name}:{t}" for t in tags if t.endswith("-prepared")]
        if names:
            self.engine.cli("rmi", *names)

    # A look from outside --------------------------------------------------------------------------

    def containers(self) -> list[str]:
        """Return the ids of this project's containers, ended ones too."""
        words = ("ps", "--all", "--quiet", "--no-trunc", "--filter")
        return self._listed(*words, f"label=buildr.name={self.name}")

    def all_gone(self, *live: str) -> bool:
        """Wait until no container of the project is left but those that live; return whether that came."""
        deadline = time.monotonic() + SECONDS / 2
        while set(self.containers()) - set(
            live
        ):  # each look is a command of the engine's, so this is not a busy loop
            if time.monotonic() > deadline:
                return False
        return True

    def left_images(self) -> list[str]:
        """Return the images without a name that this project's builds have left, when housekeeping has had its time."""
        words = ("images", "--quiet", "--no-trunc", "--filter", "dangling=true", "--filter")
        command = (*words, f"label=buildr.project={self.key()}")
        deadline = time.monotonic() + SECONDS / 2
        # Each look is a command of the engine's, so this is not a busy loop.
        while (found := self._listed(*command)) and time.monotonic() < deadline:
            pass
        return found

    def _listed(self, *words: str) -> list[str]:
        return retry(lambda: self.engine.cli(*words).split())

    def key(self) -> str:
        """Return the project's key."""
        found = json.loads(self.engine.cli("image", "inspect", f"localhost/buildr/{self.name}"))
        key: str = found[0]["Config"]["Labels"]["buildr.project"]
        return key

    def left_files(self) -> list[str]:
        """Return what is left in the directory for temporary files, when all who clean up there have had their time."""
        deadline = time.monotonic() + SECONDS / 2
        while (found := sorted(os.listdir(self.top / "tmp"))) and time.monotonic() < deadline:
            time.sleep(
                0.05
            )  # Podman's services keep files there as long as they work; there is no event at their end
        return found


def await_ready(process: subprocess.Popen[bytes]) -> None:
    """Wait for the guest's word that it is there."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == b"ready\n", (line, process.communicate())


def interrupt(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal, and wait until its handler has run: one that still waits would swallow the next."""
    process.send_signal(number)
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, KeyError):  # it is just ending
            if _has_handled(process.pid, number):
                return


def _has_handled(pid: int, number: int) -> bool:
    """Whether the kernel has delivered a signal, and the thread that then wakes the main thread is done with that."""
    main = _status(pid, pid)
    pending = int(main["SigPnd"], 16) | int(main["ShdPnd"], 16)
    if pending >> (number - 1) & 1 or not main["State"].startswith("S"):
        return False
    # In this order: the main thread tells the other one before it waits again.
    others = [int(name) for name in os.listdir(f"/proc/{pid}/task") if int(name) != pid]
    waits = [Path(f"/proc/{pid}/task/{thread}/wchan").read_text() for thread in others]
    return any(name.endswith("pipe_read") for name in waits)


def _status(pid: int, thread: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/task/{thread}/status").read_text(encoding="ascii", errors="replace")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def end(process: subprocess.Popen[bytes], runs: int = 1) -> tuple[int, bytes, bytes]:
    """Wait for the end of the script, which is that of so many runs."""
    try:
        output, errors = process.communicate(timeout=SECONDS * runs)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        return -signal.SIGALRM, output, errors  # it hangs, which no expected status is
    return process.returncode, output, errors


def await_stopped(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has stopped, as Ctrl+Z asks for."""
    deadline = time.monotonic() + SECONDS
    while not _status(process.pid, process.pid)["State"].startswith("T"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the process does not stop"
        time.sleep(0.01)  # waitid(2) would tell, and take the news from the waiting thread
