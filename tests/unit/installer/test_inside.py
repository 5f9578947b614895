"""The program that installs in a container: what it unpacks, what it takes for a change, what it sends."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from buildr.archive.header import MTIME, content_time
from buildr.context.digest import content_digest
from buildr.installer import changes
from buildr.installer.changes import (
    difference,
    folders_above,
    mount_points,
    send_difference,
    snapshot,
)
from buildr.installer.in_container import UNUSED_SECONDS, cache_options, place_files, unpack
from buildr.installer.installation import program

if TYPE_CHECKING:
    from pathlib import Path


def changed_between(root: Path, action: str) -> tuple[set[str], list[str]]:
    """Return what a line of shell changes below a folder, by names relative to it."""
    before = snapshot(str(root), set())
    subprocess.run(["sh", "-c", action], cwd=root, check=True)
    changed, removed = difference(before, snapshot(str(root), set()))
    relative = {os.path.relpath(path, root) for path in changed if path.startswith(f"{root}/")}
    return relative, [os.path.relpath(path, root) for path in removed]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "lib/pkg").mkdir(parents=True)
    (tmp_path / "lib/pkg/a.py").write_text("a")
    (tmp_path / "lib/pkg/b.py").write_text("b")
    (tmp_path / "lib/other").mkdir()
    (tmp_path / "lib/link").symlink_to("pkg")
    return tmp_path


@pytest.mark.parametrize(
    ("action", "changed", "removed"),
    [
        ("true", set(), []),
        ("cat lib/pkg/a.py", set(), []),
        ("echo x > lib/pkg/c.py", {"lib", "lib/pkg", "lib/pkg/c.py"}, []),
        ("echo longer > lib/pkg/a.py", {"lib", "lib/pkg", "lib/pkg/a.py"}, []),
        ("chmod 600 lib/pkg/a.py", {"lib", "lib/pkg", "lib/pkg/a.py"}, []),
        ("chmod 700 lib/other", {"lib", "lib/other"}, []),
        ("ln -sfn other lib/link", {"lib", "lib/link"}, []),
        ("mkdir -p new/deep", {"new", "new/deep"}, []),
        ("rm lib/pkg/a.py", set(), ["lib/pkg/a.py"]),
        ("rm -r lib/pkg", set(), ["lib/pkg"]),
        ("rm -r lib", set(), ["lib"]),
        ("rm -r lib/pkg && echo x > lib/pkg", {"lib", "lib/pkg"}, ["lib/pkg"]),
        ("rm lib/link && mkdir lib/link", {"lib", "lib/link"}, ["lib/link"]),
        ("mkfifo lib/pipe", set(), []),
    ],
)
def test_a_change_is_found(tree: Path, action: str, changed: set[str], removed: list[str]) -> None:
    found, gone = changed_between(tree, action)
    assert found == changed
    # What is in a folder that is removed is removed, too, whether it is named or not.
    assert [path for path in gone if os.path.dirname(path) not in gone] == removed


def test_mounts_and_separate_file_systems_are_not_changes(tree: Path) -> None:
    found = snapshot(str(tree), {str(tree / "lib/pkg")})
    assert sorted(found) == [str(tree / name) for name in ("lib", "lib/link", "lib/other")]


def sent(root: Path, action: str) -> tuple[bytes, dict[str, tarfile.TarInfo]]:
    """Return the archive of what a line of shell changes below a folder, and its members by their names."""
    before = snapshot(str(root), set())
    subprocess.run(["sh", "-c", action], cwd=root, check=True)
    stream = io.BytesIO()
    send_difference(stream, str(root), before, snapshot(str(root), set()))
    stream.seek(0)
    stream.readline()
    rest = stream.read()
    with tarfile.open(fileobj=io.BytesIO(rest)) as archive:
        # Below the root of an image, which this stands for, there is nothing else.
        return rest, {member.name: member for member in archive if member.name[0] != "."}


def content(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        file = opened.extractfile(name)
        assert file is not None
        return file.read()


CHANGES = """\
echo other > lib/pkg/a.py; chmod 640 lib/pkg/a.py; ln lib/pkg/a.py lib/pkg/hard.py; ln -s a.py lib/pkg/soft.py
echo new > lib/new.py; : > lib/empty; mkdir lib/folder
"""


def test_changes_are_sent_with_modes_and_links(tree: Path) -> None:
    archive, members = sent(tree, CHANGES)
    assert list(members) == sorted(members)
    a = members["lib/pkg/a.py"]
    assert (a.mode, a.uname, a.uid) == (0o640, "", os.getuid())
    assert content(archive, "lib/pkg/a.py") == b"other\n"
    assert members["lib/pkg/soft.py"].linkname == "a.py"
    assert members["lib/pkg/hard.py"].linkname == "lib/pkg/a.py"


def test_times_are_content_based_as_in_archives_of_the_host(tree: Path) -> None:
    big = bytes(1 << 20) + b"x" * (3 << 20) + bytes(1 << 20) + b"y"
    (tree / "big").write_bytes(big)
    _, members = sent(tree, f"{CHANGES}cp big lib/big")
    of_other = content_time(content_digest(b"other\n"))
    assert members["lib/pkg/a.py"].mtime == members["lib/pkg/hard.py"].mtime == of_other
    assert members["lib/big"].mtime == content_time(content_digest(big))
    for name in ("lib", "lib/folder", "lib/empty", "lib/pkg/soft.py"):
        assert members[name].mtime == MTIME


def test_archives_of_changes_are_reproducible(tmp_path: Path) -> None:
    archives = []
    for number in range(2):
        top = tmp_path / str(number)
        (top / "lib/pkg").mkdir(parents=True)
        (top / "lib/pkg/a.py").write_text("a")
        later = f"find . -exec touch -h -d '200{number}-01-01' {{}} +"
        archives.append(sent(top, f"{CHANGES}{later}")[0])
    assert archives[0] == archives[1]


def test_a_file_with_only_a_changed_mode_keeps_its_time(
    tree: Path,
) -> None:
    os.utime(tree / "lib/pkg/a.py", (1_000_000, 1_000_000.7))
    _, members = sent(tree, "chmod 600 lib/pkg/a.py")
    assert members["lib/pkg/a.py"].mtime == 1_000_000


@pytest.mark.parametrize("options", [[], ["-O"], ["-OO"]])
def test_bytecode_is_valid_for_the_new_time_of_its_source(tree: Path, options: list[str]) -> None:
    python = " ".join([sys.executable, *options])
    archive, members = sent(
        tree, f"echo 'x = 1' > lib/pkg/m.py && {python} -m compileall -q lib/pkg"
    )
    name = next(name for name in members if "/m.cpython" in name)
    assert content(archive, name)[8:12] == int(members["lib/pkg/m.py"].mtime).to_bytes(4, "little")
    # Of a module of the image below the time stays, and so does its bytecode.
    below = next(name for name in members if "/a.cpython" in name)
    assert "lib/pkg/a.py" not in members
    time = int((tree / "lib/pkg/a.py").stat().st_mtime)
    assert content(archive, below)[8:12] == time.to_bytes(4, "little")


def test_hash_based_and_foreign_bytecode_is_unchanged(tree: Path) -> None:
    compile_all = f"{sys.executable} -m compileall -q --invalidation-mode"
    archive, members = sent(
        tree,
        f"echo 'x = 1' > lib/h.py && {compile_all} checked-hash lib/h.py"
        f" && echo 'x = 1' > lib/s.py && {compile_all} timestamp lib/s.py && echo 'x = 22' > lib/s.py",
    )
    for module in ("h", "s"):
        name = next(name for name in members if f"/{module}.cpython" in name)
        assert content(archive, name) == (tree / name).read_bytes()


@pytest.mark.parametrize(
    "path", ["var/log/dpkg.log", "var/log/apt/history.log", "etc/machine-id", "root/.cache/pip/x"]
)
def test_logs_and_caches_of_an_installation_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(changes, "LEFT_OUT", tuple(f"{tmp_path}{one}" for one in changes.LEFT_OUT))
    (tmp_path / path).parent.mkdir(parents=True)
    _, members = sent(tmp_path, f"echo x > {path}; echo x > {path}ger")
    assert path not in members
    assert f"{path}ger" in members or path.startswith(("root", "var/log/apt/"))


def test_the_program_runs_without_buildr(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-BIS", "-c", program("buildr.installer.changes")],
        cwd=tmp_path,
        input=b'{"list": true, "root": ' + json.dumps(str(tmp_path)).encode() + b"}\n",
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == {}


def test_secrets_are_private_files(tmp_path: Path) -> None:
    folder, links = tmp_path / "shm/buildr", tmp_path / "run/secrets"
    variables = place_files(
        {"netrc": "machine\udcff", "other": "x"}, {"netrc": "NETRC"}, str(folder), str(links)
    )
    assert variables == {"NETRC": f"{folder}/netrc"}
    assert (links / "netrc").read_bytes() == b"machine\xff"
    assert (links / "other").read_text() == "x"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "netrc").stat().st_mode & 0o777 == 0o600


def test_a_read_only_folder_leaves_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = place_files(
        {"netrc": "x"}, {"netrc": "NETRC"}, str(tmp_path / "a"), str(tmp_path / "file/b")
    )
    assert found == {"NETRC": str(tmp_path / "a/netrc")}


def test_downloads_are_shared_and_wheels_are_not(tmp_path: Path) -> None:
    root = str(tmp_path / "cache")
    first, second = (cache_options({"root": root, "key": key}) for key in ("one", "two"))
    assert first == ["--cache-dir", f"{root}/for-one"]
    assert second == ["--cache-dir", f"{root}/for-two"]
    for name in ("http", "http-v2"):
        (tmp_path / "cache/for-one" / name / "page").write_text("seen")
        assert (tmp_path / "cache/for-two" / name / "page").read_text() == "seen"
    (tmp_path / "cache/for-one/wheels").mkdir()
    assert not (tmp_path / "cache/for-two/wheels").exists()
    assert cache_options({"root": root, "key": "one"}) == first  # it is there already


def test_unused_wheels_are_removed(tmp_path: Path) -> None:
    root = str(tmp_path)
    for key in ("old", "young"):
        cache_options({"root": root, "key": key})
    (tmp_path / "for-old/wheels").mkdir()
    (tmp_path / "http/page").write_text("seen")
    long_ago = os.stat(root).st_mtime - UNUSED_SECONDS - 60
    for name in ("for-old", "http"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    cache_options({"root": root, "key": "new"})
    assert sorted(os.listdir(root)) == ["for-new", "for-young", "http", "http-v2"]
    assert (tmp_path / "http/page").exists()


def test_an_unusable_cache_is_ignored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cache_options(None) == ["--no-cache-dir"]
    (tmp_path / "file").write_text("")
    assert cache_options({"root": str(tmp_path / "file"), "key": "x"}) == ["--no-cache-dir"]
    assert "the cache of wheels cannot be used" in capsys.readouterr().err


def test_a_removed_path_includes_its_parents() -> None:
    assert folders_above(["/usr/lib/a", "/b", "/usr/c"]) == {"/usr/lib", "/usr"}


def test_the_source_belongs_to_the_user_and_the_rest_to_root(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("app", "usr"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
            archive.addfile(tarfile.TarInfo(f"{name}/file"))
    stream.seek(0)
    unpack(stream, str(tmp_path), 1000)
    assert (tmp_path / "app/file").stat().st_uid == 1000
    assert (tmp_path / "usr/file").stat().st_uid == 0


def test_mount_points_are_read_from_the_kernel() -> None:
    found = mount_points()
    assert "/proc" in found
    assert "/" not in found
    assert all(point.startswith("/") for point in found)


def test_the_program_needs_only_the_standard_library() -> None:
    code = program().replace(
        "module.main()", "print(*sorted(name.split('.')[0] for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {*sys.stdlib_module_names, "__main__", "buildr"}
