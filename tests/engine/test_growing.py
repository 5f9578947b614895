"""The edit-run loop: after any change between two runs, the guest sees what a clean build would contain."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from buildr.context.entries import normal_mode
from tests.engine.harness import give
from tests.engine.images import images

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.harness import Engine

# Prints the guest's view of /app: type, mode, owner, content or target of each path.
SCRIPT = """\
import hashlib, json, os, stat, sys
from buildr import Containerize

@Containerize(runtime=json.loads(os.environ.get("RUNTIME_OPTIONS", "{}")))
def main():
    found = {}
    for folder, names, files in os.walk("/app"):
        for name in names + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            what = ""
            if stat.S_ISLNK(status.st_mode):
                what = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                what = hashlib.sha256(open(path, "rb").read()).hexdigest()
            found[os.path.relpath(path, "/app")] = [
                stat.filemode(status.st_mode), status.st_uid, status.st_gid, what
            ]
    json.dump(found, sys.stdout)

if __name__ == "__main__":
    main()
"""


def expected(project: Path) -> dict[str, list[object]]:
    """Return what a clean build of the host's files puts into ``/app``."""
    found: dict[str, list[object]] = {}
    for folder, names, files in os.walk(project):
        for name in names + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            what = ""
            mode = status.st_mode
            if stat.S_ISLNK(mode):
                what = os.readlink(path)
            else:
                is_folder = stat.S_ISDIR(mode)
                mode = stat.S_IFMT(mode) | normal_mode(
                    stat.S_IMODE(mode), "dir" if is_folder else "file"
                )
                if not is_folder:
                    with open(path, "rb") as file:
                        what = hashlib.sha256(file.read()).hexdigest()
            found[os.path.relpath(path, project)] = [stat.filemode(mode), 1000, 0, what]
    return found


class Loop:
    """A project that is edited and run repeatedly."""

    def __init__(self, engine: Engine, project: Path) -> None:
        self.engine = engine
        self.project = project
        self.environ: dict[str, str] = {}

    def check(self, **options: object) -> None:
        """Run, and compare what the guest sees with the expected files."""
        give(self.engine, self.project)
        assert self.seen(**options) == expected(self.project)

    def seen(self, **options: object) -> object:
        """Run, and return what the guest sees."""
        done = self.engine.python(
            "app.py", cwd=self.project, env={"RUNTIME_OPTIONS": json.dumps(options), **self.environ}
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def build_base(self, instructions: str) -> None:
        """Build a base image with these instructions, and use it for all further runs."""
        folder = self.project.parent / "base"
        folder.mkdir()
        text = f"FROM {self.engine.base_image}\n{instructions}\n"
        (folder / "Containerfile").write_text(text)
        give(self.engine, folder)
        base = f"localhost/buildr/{self.project.name}-base"
        self.engine.cli("build", "-q", "-t", base, "-f", f"{folder}/Containerfile", str(folder))
        self.environ = {"BUILDR_BASE_IMAGE": base}

    def images(self) -> set[str]:
        """Return the ids of this project's images, without those that lack its source."""
        return set(images(self.engine, f"localhost/buildr/{self.project.name}"))


@pytest.fixture
def loop(engine: Engine, project: Path) -> Loop:
    name = f"loop-{os.urandom(4).hex()}"
    project = project.rename(project.with_name(name))
    (project / "app.py").write_text(
        SCRIPT.replace("@Containerize(", f'@Containerize(package={{"name": "{name}"}}, ')
    )
    for path, text in {
        "sub/deep/a.txt": "a",
        "sub/b.txt": "b",
        "gone/c.txt": "c",
        "kind": "a file",
        "naïve name $HOME.txt": "x",
    }.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    (project / "link").symlink_to("kind")
    return Loop(engine, project)


def test_every_change_reaches_the_guest(loop: Loop) -> None:
    project = loop.project
    loop.check()
    first = loop.images()
    assert len(first) == 1

    # Changed and added files, and changed modes: copied into the container, without a new image.
    (project / "app.py").write_text((project / "app.py").read_text() + "\n")
    (project / "sub" / "deep" / "a.txt").write_text("A" * 100_000)
    (project / "naïve name $HOME.txt").write_text("y")
    (project / "new" / "deeper").mkdir(parents=True)
    (project / "new" / "deeper" / "é").write_text("é")
    (project / "new" / "empty").mkdir()
    (project / "new" / "link").symlink_to("deeper/é")
    (project / "sub" / "b.txt").chmod(0o755)
    (project / "gone").chmod(0o775)
    (project / "sub").chmod(0o711)
    loop.check()
    assert loop.images() == first
    # The guest runs as another user with a writable mount.
    source = project.parent / "source"
    source.mkdir()
    give(loop.engine, source)
    loop.check(mounts=[f"{source}:/data"])

    # Removed files, and files that become something else: an image on top of the last one.
    shutil.rmtree(project / "gone")
    (project / "sub" / "b.txt").unlink()
    (project / "kind").unlink()
    (project / "kind").mkdir()
    (project / "kind" / "inside").write_text("i")
    shutil.rmtree(project / "sub" / "deep")
    (project / "sub" / "deep").write_text("a folder once")
    (project / "link").unlink()
    (project / "link").symlink_to("kind/inside")
    (project / "naïve name $HOME.txt").unlink()
    loop.check()
    second = loop.images()
    assert len(second - first) == 1

    # Further changes on top of that.
    (project / "sub" / "deep").write_text("changed")
    loop.check()
    assert loop.images() == second


def test_files_that_cannot_be_copied_in_reach_the_guest_too(loop: Loop) -> None:
    loop.check()
    first = loop.images()
    (project := loop.project).joinpath("sub", "b.txt").write_text("B")
    loop.check(hardened=True)
    assert len(loop.images() - first) == 1
    (project / "sub" / "b.txt").write_text("BB")
    (project / "new").write_text("n")
    loop.check(hardened=True)
    assert len(loop.images() - first) == 2


def test_files_below_a_mount_are_not_written_into_it(loop: Loop) -> None:
    loop.check()
    source = loop.project.parent / "source"
    source.mkdir()
    give(loop.engine, source)
    (loop.project / "sub" / "new.txt").write_text("n")
    done = loop.engine.python(
        "app.py",
        cwd=loop.project,
        env={"RUNTIME_OPTIONS": json.dumps({"mounts": [f"{source}:/app/sub"]})},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert "sub/new.txt" not in json.loads(done.stdout)
    assert os.listdir(source) == []


def test_a_volume_at_the_place_of_the_source_hides_no_change(loop: Loop) -> None:
    # Files that are copied into a volume, or removed from it by a step, are not what the next container sees.
    loop.build_base("VOLUME /app")
    loop.check()
    (loop.project / "sub" / "b.txt").write_text("B")
    loop.check()
    (loop.project / "sub" / "b.txt").unlink()
    loop.check()


def test_files_of_the_base_reappear_after_their_replacements_are_removed(loop: Loop) -> None:
    loop.build_base(
        "RUN mkdir -p /app/sub && echo base > /app/sub/b.txt && echo base > /app/base.txt"
    )
    file = ["-rw-r--r--", 0, 0, hashlib.sha256(b"base\n").hexdigest()]
    assert loop.seen() == {**expected(loop.project), "base.txt": file}
    (loop.project / "sub" / "b.txt").unlink()
    assert loop.seen() == {**expected(loop.project), "base.txt": file, "sub/b.txt": file}
