"""Commands in the container of a run, on real engines."""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import Site
from tests.engine.images import site as make_site

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.engine.harness import Engine

SECONDS = 120
WORK = """\
print("ready", flush=True)
signal.pause()
"""
BYTES = bytes(range(256)) * 8192  # 2 MiB: more than all buffers in between


@pytest.fixture(scope="module")
def site(engine: Engine) -> Iterator[Site]:
    """A project with a run that lasts until the tests have ended."""
    for found in make_site(engine):
        found.script(WORK, imports="import signal", path=f"{found.name}.py")
        process = engine.popen(sys.executable, f"{found.name}.py", cwd=found.directory)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", process.communicate()
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=SECONDS)
        assert process.returncode == 0, "no command has disturbed the run"


def execute(
    site: Site, *words: str, stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    return site.engine.python(
        "-m", "buildr", "exec", site.name, *words, cwd=site.directory, stdin=stdin
    )


def test_a_command_in_a_run_has_its_own_streams_and_status(site: Site) -> None:
    code = (
        "import os, sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data);"
        " os.write(2, data[:300]); sys.exit(7)"
    )
    done = execute(site, "python", "-c", code, stdin=BYTES)
    assert done.stdout == BYTES
    assert done.stderr == BYTES[:300]
    assert done.returncode == 7


@pytest.mark.parametrize("size", [0, len(BYTES)])
def test_unread_input_leaves_no_trace(site: Site, size: int) -> None:
    done = execute(site, "sh", "-c", "echo out; echo err >&2; exit 3", stdin=BYTES[:size])
    assert done.returncode == 3
    if size and site.engine.backend == "podman":
        # Podman may lose output then. Its own error messages are never part of the command's output.
        assert b"unixpacket" not in done.stderr
        if (done.stdout, done.stderr) != (b"out\n", b"err\n"):
            assert b"may have lost the end of its output" in done.stderr
    else:
        assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_a_command_that_cannot_start_is_reported_on_stderr(site: Site) -> None:
    missing = execute(site, "no-such-command")
    assert (missing.stdout, missing.returncode) == (b"", 127)
    assert b"buildr: error: the command was not found" in missing.stderr
    refused = execute(site, "/etc/passwd")
    assert (refused.stdout, refused.returncode) == (b"", 126)
    assert b"buildr: error: the command cannot be executed" in refused.stderr
    # The output of a command with such a status is kept.
    own = execute(site, "sh", "-c", "echo own; exit 127")
    assert (own.stdout, own.stderr, own.returncode) == (b"own\n", b"", 127)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_only_the_command(site: Site, number: int) -> None:
    code = (
        "import signal, sys; signal.signal(int(sys.argv[1]), lambda n, _: sys.exit(40 + n));"
        " print('ready', flush=True); signal.pause()"
    )
    words = ("-m", "buildr", "exec", site.name, "python", "-c", code, str(int(number)))
    process = site.engine.popen(sys.executable, *words, cwd=site.directory)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", process.communicate()
    process.send_signal(number)
    rest, errors = process.communicate(timeout=SECONDS)
    assert (rest, errors, process.returncode) == (b"", b"", 40 + number)


def test_on_a_terminal_the_command_has_one_and_control_c_is_a_key(site: Site) -> None:
    code = (
        "import os, sys; print(*map(os.isatty, range(3)), flush=True)\n"
        "try: sys.stdin.readline(); print('heard', flush=True); sys.stdin.readline()\n"
        "except KeyboardInterrupt: print(os.get_terminal_size().columns, 'wide'); sys.exit(9)"
    )
    master, slave = os.openpty()
    words = ("setsid", "--ctty", sys.executable, "-m", "buildr", "exec", site.name)
    import termios

    termios.tcsetwinsize(slave, (30, 77))
    process = site.engine.popen(
        *(*words, "python", "-c", code),
        cwd=site.directory,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    seen = b""
    try:
        for wanted, keys in (
            (b"True True True", b"word\r"),
            (b"heard", b"\x03"),
            (b"77 wide", b""),
        ):
            while wanted not in seen:
                assert select.select([master], [], [], SECONDS)[0], seen
                seen += os.read(master, 4096)
            os.write(master, keys)
        assert process.wait(SECONDS) == 9
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(slave)
        os.close(master)
