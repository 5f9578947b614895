"""The examples run unchanged on every engine."""

from __future__ import annotations

import http.client
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import give, project_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def examples(engine: Engine) -> Iterator[Path]:
    """A copy of the examples, owned by the engine's user."""
    for directory in project_directory(engine, "examples"):
        shutil.copytree(EXAMPLES, directory, dirs_exist_ok=True)
        give(engine, directory)
        yield directory


def test_hello(engine: Engine, examples: Path) -> None:
    done = engine.python("hello.py", "dear", "world", cwd=examples)
    assert done.returncode == 0, done.stderr.decode()
    first, second = done.stdout.decode().splitlines()
    assert first.startswith("hello dear world, from ")
    assert second.endswith("uid 1000, in /app")


def test_the_first_script_of_readme(engine: Engine, examples: Path) -> None:
    done = engine.python("sizes.py", "123456789", "5000", cwd=examples)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines() == ["123.5 MB", "5.0 kB"]


@pytest.mark.uses("port 8080")
def test_a_web_server_answers_until_ctrl_c(engine: Engine, examples: Path) -> None:
    with engine.popen(sys.executable, "web.py", cwd=examples) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"serving on http://127.0.0.1:8080\n"
            connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
            connection.request("GET", "/")
            assert connection.getresponse().read().startswith(b"hello ")
            connection.close()
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == b"bye\n"
            assert process.wait() == 0
        finally:
            process.kill()


def test_additional_files_have_their_modes(engine: Engine, examples: Path) -> None:
    done = engine.python("files.py", cwd=examples)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines() == [
        "/etc/hello/settings.toml has mode 0440 and says:",
        'greeting = "hello"',
    ]


def test_packages_come_from_the_index(engine: Engine, examples: Path) -> None:
    done = engine.python("packages.py", cwd=examples)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == "123.5 MB is 123.5 million bytes\n"


def test_single_functions_give_their_results(engine: Engine, examples: Path) -> None:
    done = engine.python("call.py", cwd=examples)
    assert done.returncode == 0, done.stderr.decode()
    first, second = done.stdout.decode().splitlines()
    assert first == "[2, 3, 5, 7, 11, 13, 17, 19, 23, 29]"
    assert second.startswith("4203 primes below 40000: ")
