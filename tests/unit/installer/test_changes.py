"""The program that sends paths of an image, on a folder of this host."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from buildr.installer import changes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("app/theirs", "home/app", "usr/local/bin", "usr/local/lib/buildr/guest"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/local/lib/buildr/guest/init.py").write_text("pass\n")
    (tmp_path / "usr/local/lib/other").write_text("the base's\n")
    (tmp_path / "usr/local/bin/python").symlink_to("python3")
    (tmp_path / "app").chmod(0o775)
    return tmp_path.resolve()


def sent(root: Path, *, links: tuple[str, ...] = ("/usr/local/bin/python",)) -> tarfile.TarFile:
    stream = io.BytesIO()
    alone, whole = ["/app", "/home/app"], ["/usr/local/lib/buildr"]
    changes.send_paths(stream, str(root), alone, whole, [*links])
    stream.seek(0)
    assert json.loads(stream.readline()) == {"removed": []}
    return tarfile.open(fileobj=io.BytesIO(stream.read()))


def test_paths_come_with_the_folders_above_them_and_nothing_beside_them(root: Path) -> None:
    assert sent(root).getnames() == [
        *("app", "home", "home/app", "usr", "usr/local", "usr/local/bin", "usr/local/bin/python"),
        *("usr/local/lib", "usr/local/lib/buildr", "usr/local/lib/buildr/guest"),
        "usr/local/lib/buildr/guest/init.py",
    ]


def test_their_times_are_not_those_of_the_moment(root: Path) -> None:
    first = {member.name: (member.mtime, member.mode) for member in sent(root)}
    for folder, _, files in os.walk(root):
        for name in (".", *files):
            os.utime(os.path.join(folder, name), (1, 1), follow_symlinks=False)
    assert {member.name: (member.mtime, member.mode) for member in sent(root)} == first
    assert first["app"] == (changes.FIRST_TIME, 0o775)


def test_a_file_in_place_of_a_link_is_the_bases(root: Path) -> None:
    (root / "usr/local/bin/python").unlink()
    (root / "usr/local/bin/python").write_text("")
    assert "usr/local/bin/python" not in sent(root).getnames()


@pytest.mark.parametrize("path", ["app", "home", "home/app", "usr/local/bin"])
def test_a_path_that_a_link_leads_to_ends_the_program(root: Path, path: str) -> None:
    (root / path).rename(root / "elsewhere")
    (root / path).symlink_to(root / "elsewhere")
    with pytest.raises(SystemExit, match="not what the build has made"):
        sent(root)


def test_a_path_that_is_not_there_ends_the_program(root: Path) -> None:
    (root / "home/app").rmdir()
    with pytest.raises(SystemExit, match="not what the build has made"):
        sent(root)
