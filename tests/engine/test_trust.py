"""A checkout by another author: without consent, no container gets what its configuration file requests."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import give

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left")

SECONDS = 120  # longer than any expected wait
SCRIPT = """\
import os
seen = os.path.exists("/outside/key"), os.environ.get("OF_THE_HOST")
print("the guest sees", *seen, flush=True)
"""


@pytest.fixture
def checkout(engine: Engine, project: Path) -> Path:
    """A project whose configuration requests a folder outside it and a variable of the host."""
    (project / "outside").mkdir()
    (project / "outside" / "key").write_text("secret\n")
    clone = project / "clone"
    clone.mkdir()
    (clone / "app.py").write_text(SCRIPT)
    (clone / "pyproject.toml").write_text(
        "[tool.buildr.runtime]\nmounts = ['../outside:/outside:ro']\nenv = ['OF_THE_HOST']\n"
    )
    give(engine, project)
    return clone


def run(engine: Engine, checkout: Path, *flags: str, **env: str) -> tuple[int, bytes, str]:
    words = ("-m", "buildr", "run", *flags, "app.py")
    done = engine.python(*words, cwd=checkout, env={"OF_THE_HOST": "token", **env})
    return done.returncode, done.stdout, done.stderr.decode()


def test_a_checkout_gets_nothing_without_consent_and_asks_only_once(
    engine: Engine, checkout: Path
) -> None:
    status, output, said = run(engine, checkout)
    assert (status, output) == (125, b"")
    assert f"tool.buildr.runtime.mounts: {checkout.parent}/outside of this host, to read" in said
    assert "tool.buildr.runtime.env: your variable OF_THE_HOST" in said

    status, output, said = run(engine, checkout, "--no-project-config")
    assert (status, output) == (0, b"the guest sees False None\n"), said

    status, output, said = run(engine, checkout, "--trust")
    assert (status, output) == (0, b"the guest sees True token\n"), said
    status, output, said = run(engine, checkout)
    assert (status, output) == (0, b"the guest sees True token\n"), said

    (checkout / "pyproject.toml").write_text("[tool.buildr.runtime]\nmounts = ['/:/host']\n")
    status, output, said = run(engine, checkout)
    assert (status, output) == (125, b"")
    assert "tool.buildr.runtime.mounts: / of this host, to read and write" in said


def test_the_decorator_is_shown_at_the_first_run(engine: Engine, checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text("[tool.buildr]\n")
    (checkout / "app.py").write_text(
        "from buildr import Containerize\n"
        "@Containerize(runtime={'env': {'OF_THE_HOST': None}})\n"
        f"def main():\n    exec({SCRIPT!r})\nmain()\n"
    )
    line = "  runtime.env: your variable OF_THE_HOST"
    for is_first in (True, False):
        done = engine.python("app.py", cwd=checkout, env={"OF_THE_HOST": "token"})
        assert done.stdout == b"the guest sees False token\n", done.stderr.decode()
        assert (line in done.stderr.decode().splitlines()) is is_first


@pytest.fixture
def secret_server() -> Iterator[tuple[int, list[str]]]:
    """Serve a secret on 127.0.0.1 of this host; yield the port and the requested paths."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"secret")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


def test_a_containerfile_cannot_reach_the_host_network_without_consent(
    engine: Engine, checkout: Path, secret_server: tuple[int, list[str]]
) -> None:
    port, asked = secret_server
    address = f"http://127.0.0.1:{port}/{uuid.uuid4().hex}"
    (checkout / "pyproject.toml").write_text(
        "[tool.buildr.package]\ndockerfile = 'Containerfile'\n"
    )
    (checkout / "app.py").write_text("print(open('/secret').read())\n")
    (checkout / "Containerfile").write_text(
        f"FROM {engine.base_image}\nADD {address} /secret\nRUN chmod 644 /secret\nCOPY app.py /app/app.py\n"
    )
    status, output, said = run(engine, checkout)
    assert (status, output, asked) == (125, b"", [])
    what = f"{address}, which the engine gets over the network of this host, by Containerfile"
    assert f"tool.buildr.package.dockerfile: {what}\n" in said

    status, output, said = run(engine, checkout, "--trust")
    assert (status, output) == (0, b"secret\n"), said
    assert asked


@contextlib.contextmanager
def terminal(engine: Engine, checkout: Path) -> Iterator[int]:
    """Start a run on a terminal; return the master side."""
    ours, theirs = os.openpty()
    command = ("setsid", "--ctty", sys.executable, "-m", "buildr", "run", "app.py")
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    process = engine.popen(
        *command, cwd=checkout, env={"OF_THE_HOST": "token", "TERM": "xterm"}, **streams
    )
    os.close(theirs)
    try:
        yield ours
        process.wait(SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def await_text(screen: int, text: bytes) -> None:
    seen = b""
    while text not in seen:
        assert select.select([screen], [], [], SECONDS)[0], seen
        seen += os.read(screen, 4096)


def test_a_run_on_a_terminal_asks_for_consent(engine: Engine, checkout: Path) -> None:
    with terminal(engine, checkout) as screen:
        await_text(screen, b"until it asks for something else? [y/N] ")
        os.write(screen, b"y\n")
        await_text(screen, b"the guest sees True token")
    with terminal(engine, checkout) as screen:
        await_text(screen, b"the guest sees True token")
