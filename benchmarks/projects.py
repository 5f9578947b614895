"""The projects to run, generated so that they are the same on every machine."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = 20_000
FILES_BYTES = 235_000_000
GIBIBYTE = 1 << 30
REQUIREMENTS = (
    "certifi==2024.8.30",
    "humanize==4.11.0",
    "idna==3.10",
    "packaging==24.2",
    "six==1.17.0",
)
"""Small packages, all of them pure-Python wheels."""
PLAIN = "plain.py"
METAPARTICLE = "metaparticle_pkg==0.6.6"

_IN_ONE_DIRECTORY = 100
_PARTS = 64  # files of the large context
_PIECE = 1 << 18  # bytes written at once

# One script for most cases, so that they share one image. Its arguments choose what it does.
_APP = '''\
import os
import sys
import time

from buildr import Containerize


def hello():
    print("hello", os.getuid(), os.getcwd())


def write(count):
    chunk = bytes(1 << 20)
    for _ in range(int(count) >> 20):
        os.write(1, chunk)


def lines(count):
    for number in range(int(count)):
        print("line", number, "of many that a program prints")


def stamps(count):
    for _ in range(int(count)):
        os.write(1, b"%d\\n" % time.clock_gettime_ns(time.CLOCK_MONOTONIC))
        time.sleep(0.005)


def show(path):
    with open(path) as file:
        print(file.read(20))


def installed():
    """Say when the dependencies were installed: an installation writes this file."""
    import importlib.metadata

    record = importlib.metadata.distribution("six").locate_file("six-1.17.0.dist-info/RECORD")
    print(os.stat(record).st_mtime_ns)


@Containerize(package={"name": "NAME"})
def main():
    case, *words = sys.argv[1:] or ["hello"]
    globals()[case](*words)


if __name__ == "__main__":
    main()
'''

_PLAIN = """\
import os

print("hello", os.getuid(), os.getcwd())
"""

_CALLED = """\
from buildr import Containerize


@Containerize(package={"name": "NAME"})
def same(x):
    return x


if __name__ == "__main__":
    same(1)
"""

_CALLER = """\
import json
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from app import same

COUNT = 1000


def timed(function, *args):
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def main():
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(abs, range(COUNT)))  # starts both
        list(same.map(range(COUNT), concurrency=2))  # starts both, too
        found = {
            "warm": 1000 * statistics.median(timed(same.remote, n) for n in range(200)),
            "submit": 1000 * statistics.median(timed(lambda n: pool.submit(abs, n).result(), n) for n in range(200)),
            "map": timed(lambda: list(same.map(range(COUNT), concurrency=2))),
            "pool": timed(lambda: list(pool.map(abs, range(COUNT), chunksize=1))),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    same.remote(1) if sys.argv[1] == "once" else main()
"""

_METAPARTICLE = """\
import functools
import logging
import os
import sys

import docker
from metaparticle_pkg import Containerize
from metaparticle_pkg.builder import docker_builder
from metaparticle_pkg.runner import docker_runner

# It knows one socket only: this names the one that is measured. In its guest it asks for a socket, too, and fails when
# there is none: this gives it a client that it never uses.
url = os.environ.get("SOCKET")
client = functools.partial(docker.APIClient, base_url=url) if url else lambda **_: None
docker_builder.APIClient = docker_runner.APIClient = client
logging.basicConfig(stream=sys.stdout, level=logging.INFO)


@Containerize(package={"repository": "localhost/buildr", "name": "NAME", "py_version": "VERSION"})
def main():
    print("hello")


if __name__ == "__main__":
    main()
"""


def small(directory: Path, name: str) -> None:
    """A script, and another one that does the same without Buildr."""
    _write(directory / "app.py", _APP.replace("NAME", name))
    _write(directory / PLAIN, _PLAIN)


def many(directory: Path, name: str) -> None:
    """The script, and 20,000 files (235 MB in total), a hundred in each directory."""
    small(directory, name)
    noise = random.Random(0)  # noqa: S311 - nothing depends on it
    for number in range(FILES):
        path = nth_file(directory, number)
        if number % _IN_ONE_DIRECTORY == 0:
            path.parent.mkdir(parents=True)
        size = noise.randrange(2 * FILES_BYTES // FILES)
        path.write_bytes(noise.randbytes(size))


def nth_file(directory: Path, number: int) -> Path:
    """Return one of the many files."""
    top, place = divmod(number, _IN_ONE_DIRECTORY)
    return directory / "data" / f"{top:03}" / f"{place:02}.bin"


def dependencies(directory: Path, name: str) -> None:
    """The script, and five packages from the index."""
    small(directory, name)
    _write(directory / "requirements.txt", "".join(f"{line}\n" for line in REQUIREMENTS))


def metaparticle(directory: Path, name: str, version: str) -> None:
    """A script for Metaparticle with the same five packages, and Metaparticle itself, which its guest has to install."""
    _write(directory / "app.py", _METAPARTICLE.replace("NAME", name).replace("VERSION", version))
    lines = (*REQUIREMENTS, METAPARTICLE)
    _write(directory / "requirements.txt", "".join(f"{line}\n" for line in lines))


def calls(directory: Path, name: str) -> None:
    """A script with a function to call, and one that calls it and prints the timings."""
    _write(directory / "app.py", _CALLED.replace("NAME", name))
    _write(directory / "call.py", _CALLER)


def gibibyte(directory: Path, name: str) -> None:
    """The script, and 1 GiB of incompressible data."""
    small(directory, name)
    noise = random.Random(0)  # noqa: S311 - nothing depends on it
    for number in range(_PARTS):
        with (directory / f"{number:02}.bin").open("wb") as file:
            # In small pieces: a child's measured peak memory is never below our own.
            for _ in range(GIBIBYTE // _PARTS // _PIECE):
                file.write(noise.randbytes(_PIECE))


KINDS: dict[str, Callable[[Path, str], None]] = {
    "small": small,
    "many": many,
    "dependencies": dependencies,
    "gibibyte": gibibyte,
    "calls": calls,
}


def change_a_line(directory: Path, number: int) -> None:
    """Change the last line of the script."""
    script = directory / "app.py"
    kept = [line for line in script.read_text().splitlines() if not line.startswith("# round")]
    script.write_text("\n".join([*kept, f"# round {number}", ""]))


def _write(path: Path, text: str) -> None:
    path.write_text(text)
