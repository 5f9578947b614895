"""The test bench: an engine behind the proxy, a project with its image, and observers from outside."""

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

SECONDS = 120  # longer than any expected end, even on a slow machine
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
    """The bench of one engine; a context manager.

    Attributes:
        engine: the engine.
        directory: the directory of the project.
        name: the name of the script, which is unique.
        proxy: the proxy in front of the engine.
        waited_seconds: the times until nothing was left of each run.
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
        """Start our own Podman service on the engine's storage."""
        self._service = self.service(self.socket)

    def service(self, path: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a Podman service on a socket, and wait until it listens."""
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
            time.sleep(0.01)  # a new socket causes no event

    def prepare_return(self) -> None:
        """Prepare for an immediate return of the engine."""
        if self.engine.backend == "podman":
            self._spare = self.service(self.spare_socket)

    def go_away(self) -> None:
        """Take the engine away: kill Podman's service; remove dockerd's socket and break its connections."""
        self.stop_serving()
        self.proxy.vanish()

    def come_back(self) -> None:
        """Bring the engine back."""
        if self._spare is not None:
            self._service, self._spare = self._spare, None
            self.spare_socket.rename(self.socket)  # the service that the listener forwards to
        self.proxy.appear()

    def ask(self, request: str) -> None:
        """Send a short request directly to the engine, without the proxy; its own command takes long to start."""
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
        """Kill the Podman service."""
        if self._service is not None:
            self._service.kill()
            self._service.wait()
            self._service = None
            with contextlib.suppress(FileNotFoundError):
                self.socket.unlink()

    def start_again(self, command: list[bytes]) -> None:
        """Restart dockerd, and wait until it answers."""
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
            time.sleep(0.1)  # a new socket causes no event

    def registry(self) -> str:
        """Return the address of a registry to which the engine can push."""
        found = json.loads(Path(os.environ["BUILDR_TEST_ENGINES"]).read_text())
        address: str = found["registries"]["open"]
        return address

    # The host process -----------------------------------------------------------------------------

    def environment(
        self, *, proxied: bool = True, env: Mapping[str, str] | None = None, **options: object
    ) -> dict[str, str]:
        found = {
            "TMPDIR": str(self.top / "tmp"),
            # Images of killed builds are removed only while no build runs, and other tests of this user build.
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
        """Run the script to its end, by default without the proxy."""
        process = self.start(*words, proxied=proxied)
        try:
            output, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()  # a leftover run would disturb all later ones
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def change(self, size: int = 5 << 20) -> None:
        """Write a file of the given size; by default it is large enough that the next run builds an image."""
        path = self.directory / "ballast"
        path.write_bytes(os.urandom(size))
        give(self.engine, self.directory)

    def forget_prepared(self) -> None:
        """Untag the prepared images, which lack only the source, so that the next run builds one."""
        words = ("images", "--filter", f"reference=localhost/buildr/{self.name}")
        tags = self._listed(*words, "--format", "{{.Tag}}")
        names = [f"localhost/buildr/{self.name}:{t}" for t in tags if t.endswith("-prepared")]
        if names:
            self.engine.cli("rmi", *names)

    # Observers ------------------------------------------------------------------------------------

    def containers(self) -> list[str]:
        """Return the ids of this project's containers, including exited ones."""
        words = ("ps", "--all", "--quiet", "--no-trunc", "--filter")
        return self._listed(*words, f"label=buildr.name={self.name}")

    def all_gone(self, *live: str) -> bool:
        """Wait until only the live containers of the project are left; return whether that happened."""
        deadline = time.monotonic() + SECONDS / 2
        while set(self.containers()) - set(
            live
        ):  # each iteration runs an engine command, so this is not a busy loop
            if time.monotonic() > deadline:
                return False
        return True

    def left_images(self) -> list[str]:
        """Return the untagged images that this project's builds left, after housekeeping had time to remove them."""
        words = ("images", "--quiet", "--no-trunc", "--filter", "dangling=true", "--filter")
        command = (*words, f"label=buildr.project={self.key()}")
        deadline = time.monotonic() + SECONDS / 2
        # Each iteration runs an engine command, so this is not a busy loop.
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
        """Return what is left in the temporary directory, after all processes had time to clean up."""
        deadline = time.monotonic() + SECONDS / 2
        while (found := sorted(os.listdir(self.top / "tmp"))) and time.monotonic() < deadline:
            time.sleep(
                0.05
            )  # Podman services keep files there while they run; their end causes no event
        return found


def await_ready(process: subprocess.Popen[bytes]) -> None:
    """Wait until the guest prints that it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == b"ready\n", (line, process.communicate())


def interrupt(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal, and wait until its handler has run: a pending signal would swallow the next."""
    process.send_signal(number)
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, KeyError):  # the process is just ending
            if _has_handled(process.pid, number):
                return


def _has_handled(pid: int, number: int) -> bool:
    """Whether the kernel has delivered a signal and the waker thread has woken the main thread."""
    main = _status(pid, pid)
    pending = int(main["SigPnd"], 16) | int(main["ShdPnd"], 16)
    if pending >> (number - 1) & 1 or not main["State"].startswith("S"):
        return False
    # In this order: the main thread notifies the waker thread before it waits again.
    others = [int(name) for name in os.listdir(f"/proc/{pid}/task") if int(name) != pid]
    waits = [Path(f"/proc/{pid}/task/{thread}/wchan").read_text() for thread in others]
    return any(name.endswith("pipe_read") for name in waits)


def _status(pid: int, thread: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/task/{thread}/status").read_text(encoding="ascii", errors="replace")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def end(process: subprocess.Popen[bytes], runs: int = 1) -> tuple[int, bytes, bytes]:
    """Wait for the end of the script, which makes the given number of runs."""
    try:
        output, errors = process.communicate(timeout=SECONDS * runs)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        return -signal.SIGALRM, output, errors  # it hangs; no expected status equals this
    return process.returncode, output, errors


def await_stopped(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has stopped, as after Ctrl+Z."""
    deadline = time.monotonic() + SECONDS
    while not _status(process.pid, process.pid)["State"].startswith("T"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the process does not stop"
        time.sleep(0.01)  # waitid(2) would consume the notification, which the waiting thread needs
