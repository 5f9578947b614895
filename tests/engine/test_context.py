"""The guest finds the files of the context, with any name; messages name what cannot travel; the context is not written to."""

from __future__ import annotations

import json
import os
import socket
import stat
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import Site, site, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

# Names are bytes, without an encoding.
LIST = """\
found = {}
for folder, folders, files in os.walk(b"/app"):
    for name in folders + files:
        path = os.path.join(folder, name)
        status = os.lstat(path)
        found[path[5:].hex()] = [
            stat.S_IFMT(status.st_mode),
            status.st_nlink if stat.S_ISREG(status.st_mode) else 0,
            os.readlink(path).hex() if stat.S_ISLNK(status.st_mode) else "",
        ]
print(json.dumps(found))
"""
IMPORTS = "import json, os, stat"

NAMES = [
    b"with  blanks ",
    b"it's",
    b'so "called"',
    b"$HOME",
    b"line\nbreak",
    b"tab\there",
    b"-rf",
    b"--help",
    b".hidden",
    b"back\\slash",
    b"*",
    b"[a-z]?",
    b"#hash",
    b"!bang",
    b"~",
    b"a:b",
    b"a=b",
    "größe ☃ 💣".encode(),
    "e\u0301 is not \u00e9".encode(),
    b"latin-1 \xe9",
    b"\xff\xfe",
    255 * b"n",
    b"/".join([100 * b"p"] * 9 + [91 * b"q"]),  # 1,000 bytes
]

IGNORED = """\
# a comment
 # no comment, and matches nothing

*.log
!keep.log
**/cache
**/*.tmp
docs/*
!docs/index.md
!docs/deep/er
/top
folder/
./dotted
a/**/b
c/**
!c/kept
[xy].txt
[^0-9]only
?.one
\\#literal
\\!literal
escaped\\*
up/../gone
  blanks around \t
.git
"""
CANDIDATES = """\
app.py a.log keep.log sub/b.log sub/keep.log cache/f sub/cache/f deep/er/cache/g x.tmp sub/x.tmp docs/a docs/index.md
docs/deep/a docs/deep/er/b top sub/top folder/f sub/folder/f dotted a/b a/x/b a/x/y/b a/x/c c/dropped c/kept x.txt y.txt z.txt
sub/x.txt 1only aonly a.one ab.one #literal !literal escaped* escaped1 gone blanks%around sub/gone .git/config .venv/pyvenv.cfg
__pycache__/app.cpython-311.pyc
"""


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


Found = dict[bytes, tuple[int, int, bytes]]
"""By path: the type, the number of hard links of a file, the target of a link."""


def _listed(project: Site) -> tuple[Found, str]:
    """Run a script that lists its directory; check that nothing was written on the host."""
    project.script(LIST, imports=IMPORTS)
    before = snapshot(project.directory)
    done = project.run()
    assert snapshot(project.directory) == before
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return _found(done.stdout), done.stderr.decode()


def _found(output: bytes | str) -> Found:
    return {
        bytes.fromhex(path): (kind, links, bytes.fromhex(target))
        for path, (kind, links, target) in json.loads(output).items()
    }


def test_names_are_bytes_and_arrive_as_they_are(project: Site) -> None:
    for name in NAMES:
        path = os.path.join(os.fsencode(project.directory), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass
    (project.directory / ".dockerignore").write_text("")
    found, _ = _listed(project)
    files = {path for path, (kind, _, _) in found.items() if kind == stat.S_IFREG}
    assert files == {b"app.py", b".dockerignore", *NAMES}


def test_links_travel_and_special_files_are_left_out_with_a_message(project: Site) -> None:
    top = project.directory
    project.write({"one": "1", "folder/two": "2"})
    os.link(top / "one", top / "folder/also one")
    os.link(top / "one", top / "last")
    (top / "to a file").symlink_to("folder/two")
    (top / "folder/up").symlink_to("../one")
    (top / "to a folder").symlink_to("folder")
    (top / "to nothing").symlink_to("not/there")
    (top / "empty/er").mkdir(parents=True)
    os.mkfifo(top / "a fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(top / "a socket"))
    kept = {"a fifo": "a FIFO", "a socket": "a socket"}
    if os.geteuid() == 0:
        os.mknod(top / "a device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        kept["a device"] = "a character device"
    found, said = _listed(project)
    file, folder, link = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK
    assert found == {
        b"app.py": (file, 1, b""),
        b"one": (file, 3, b""),
        b"last": (file, 3, b""),
        b"folder": (folder, 0, b""),
        b"folder/also one": (file, 3, b""),
        b"folder/two": (file, 1, b""),
        b"folder/up": (link, 0, b"../one"),
        b"to a file": (link, 0, b"folder/two"),
        b"to a folder": (link, 0, b"folder"),
        b"to nothing": (link, 0, b"not/there"),
        b"empty": (folder, 0, b""),
        b"empty/er": (folder, 0, b""),
    }
    lines = [line for line in said.splitlines() if "left out" in line]
    assert lines == [f"buildr: left out: {name} is {what}" for name, what in sorted(kept.items())]


def test_an_ignore_file_has_the_semantics_of_docker(project: Site) -> None:
    project.write({name.replace("%", " "): "" for name in CANDIDATES.split()})
    project.write({".dockerignore": IGNORED})
    found, _ = _listed(project)
    files = {path.decode() for path, (kind, _, _) in found.items() if kind == stat.S_IFREG}
    assert {"app.py", "keep.log", "docs/index.md", "docs/deep/er/b", "c/kept", "sub/top"} <= files
    assert files.isdisjoint(
        {"a.log", "docs/a", "top", "a/x/y/b", "#literal", "gone", ".git/config"}
    )
    if project.engine.backend == "docker":
        assert set(found) == set(_files_sent_by_docker(project))


def _files_sent_by_docker(project: Site) -> Found:
    name = f"{project.name}-of-the-command"
    dockerfile = project.directory.parent / "Dockerfile"
    command = json.dumps(["python", "-c", f"{IMPORTS}\n{LIST}"])
    dockerfile.write_text(
        f"FROM {project.engine.base_image}\nWORKDIR /app\nCOPY . .\nCMD {command}\n"
    )
    words = ("build", "--quiet", "--tag", name, "--file", str(dockerfile), str(project.directory))
    project.engine.cli(*words)
    try:
        return _found(project.engine.cli("run", "--rm", name))
    finally:
        project.engine.cli("rmi", "--force", name)


def test_excluded_folders_are_not_read(project: Site) -> None:
    top = project.directory
    project.script(LIST, imports=IMPORTS)
    folders = [".git/objects", ".venv/lib", "node_modules/x"]
    for name in folders:
        (top / name).mkdir(parents=True)
    for number in range(50_000):
        (top / folders[number % 3] / str(number)).touch()
    (top / "read").mkdir()
    for name in (".git", ".venv", "node_modules", "read"):
        os.utime(top / name, (1, 2))  # so old that the next access updates it
    (top / ".git").chmod(0)
    done = project.run()
    assert done.returncode == 0, done.stderr.decode()
    assert set(_found(done.stdout)) == {b"app.py", b"read"}
    looked_at = {name for name in (".git", "node_modules", "read") if _accessed(top / name)}
    assert looked_at <= {"read"}  # no change, if the file system does not record access times


def _accessed(path: Path) -> bool:
    return path.stat().st_atime != 1


def after_each_scan(change: str) -> str:
    """Return imports for a script that change its project right after each scan on the host."""
    return f"""\
import os, time
from contextlib import suppress
from pathlib import Path
try:
    from buildr.image import ensure as image
except ImportError:
    pass  # in the container
else:
    def read_sources(project, *, pin=False, found=image.read_sources):
        sources = found(project, pin=pin)
{textwrap.indent(change, " " * 8)}
        return sources
    image.read_sources = read_sources
"""


def test_the_context_is_read_again_if_a_file_vanishes(project: Site) -> None:
    hook = after_each_scan("with suppress(FileNotFoundError):\n    os.unlink('data/file')")
    project.write({"data/file": "x" * 1_000_000, "data/last": ""})
    project.script("print(os.listdir('data'))", imports=hook)
    done = project.run()
    assert (done.returncode, done.stdout) == (0, b"['last']\n"), done.stderr.decode()
    assert b"data/file" not in done.stderr
    assert len(project.images()) == 1


def test_files_that_change_constantly_do_no_harm(project: Site) -> None:
    hook = after_each_scan("""\
for path in Path("data").glob("*.tmp"):
    path.unlink()
now = str(time.time_ns())
Path("data", f"{now}.tmp").write_text(now)
Path("data", "state").write_text(now * len(os.listdir("data")) + str(os.getpid()))
os.replace("data/log", "data/log.1")
Path("data", "log").write_text(now)
with open("data/grows", "a") as file:
    file.write(now * 100_000)
""")
    names = ["first.tmp", "grows", "log", "log.1", "state"]
    project.write({f"data/{name}": "x" * 100 for name in names})
    project.script("print(len(os.listdir('data')))", imports=hook)
    for _ in range(2):
        done = project.run()
        assert (done.returncode, done.stdout) == (0, b"5\n"), done.stderr.decode()


def test_an_ignored_script_is_an_error(project: Site) -> None:
    project.write({".dockerignore": "*.py\n"})
    project.script()
    done = project.run()
    assert done.returncode == 125
    assert done.stderr.decode().startswith(
        "buildr: error: the script app.py is left out of the context"
    )


MIDDLE = (3 << 30) + 7  # more than 31 bits
SIZE = (4 << 30) + 5  # more than 32 bits
HOLES = f"""\
status = os.stat("/app/holes")
with open("/app/holes", "rb") as file:
    head = file.read(6)
    file.seek({MIDDLE} - 1)
    middle = file.read(8)
    file.seek(-5, os.SEEK_END)
    print(status.st_size, head, middle, file.read())
"""
COUNTING = """\
import os, sys
try:
    from buildr.image import generated as image
except ImportError:
    pass  # in the container
else:
    def counted(chunks, progress):
        sent = 0
        for chunk in chunks:
            sent += len(chunk)
            yield chunk
        print("sent", sent, file=sys.stderr)
    image.counted = counted
"""


def test_the_holes_of_a_file_are_not_sent(project: Site) -> None:
    # All engines write the holes to disk: this takes a minute on Docker and one and a half on Podman.
    with (project.directory / "holes").open("wb") as file:
        file.truncate(SIZE)
        for offset, text in ((0, b"begin"), (MIDDLE, b"middle"), (SIZE - 3, b"end")):
            file.seek(offset)
            file.write(text)
    project.script(HOLES, imports=COUNTING)
    done = project.run()
    found = rf"{SIZE} b'begin\x00' b'\x00middle\x00' b'\x00\x00end'" + "\n"
    assert done.stdout.decode() == found, done.stderr.decode()
    sent = next(line for line in done.stderr.decode().splitlines() if line.startswith("sent"))
    assert int(sent.split()[1]) < 1_000_000
