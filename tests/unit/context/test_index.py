"""The index: unchanged files are not read again, and changes are never missed."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildr.context import file_systems, index
from buildr.context.digest import ContentReader, tree_digest
from buildr.context.ignore.rules import IgnoreRules
from buildr.context.scan import scan, scan_file
from buildr.context.secrets import Suspicion
from buildr.errors import ContextError
from buildr.host import cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.context.entries import Entry, Scan

RULES = "*.log\nout\n!out/kept\n"
LATER_NS = 60_000_000_000


class Site:
    """A directory, and scans of it that record their work.

    Attributes:
        root: the directory.
        walks: the number of walks.
        read: the paths of files that were read.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.walks = 0
        self.read: list[str] = []
        digest = ContentReader.digest

        def counting(reader: ContentReader, entry: Entry) -> bytes:
            self.read.append(entry.path)
            return digest(reader, entry)

        monkeypatch.setattr(ContentReader, "digest", counting)

    def find(self, known: index.Known) -> Scan:
        self.walks += 1
        return scan(self.root, rules=IgnoreRules.parse(RULES), known=known)

    def look(self, *, later_ns: int = LATER_NS, settings: str = "") -> str:
        """Scan, by default as if long after the last change; later changes get other times."""
        self.walks, self.read = 0, []
        found = index.look(self.root, settings, self.find, now_ns=lambda: time.time_ns() + later_ns)
        tick(self.root.parent)
        return found.digest

    def truth(self) -> str:
        """Return the digest of a full scan."""
        read = self.read.copy()
        digest = tree_digest(scan(self.root, rules=IgnoreRules.parse(RULES)).entries, self.root)
        self.read = read
        return digest


def tick(folder: Path) -> None:
    """Wait until the file system's time advances."""
    probe = folder / "probe"
    probe.write_bytes(b"")
    before = now = probe.stat().st_ctime_ns
    while now == before:
        probe.write_bytes(b"x")
        os.utime(probe)
        now = probe.stat().st_ctime_ns


TABLE = "1 0 {major}:{minor} / / rw,relatime shared:1 - {kind} {source} {options}\n"


def mounted(table: Path, *kinds: str, device: int, options: str = "rw") -> None:
    """Write the kernel's table of mounts at the root, one above the other, proc(5)."""
    major, minor = os.major(device), os.minor(device)
    row = {"major": major, "minor": minor, "source": "none", "options": options}
    table.write_text("".join(TABLE.format(kind=kind, **row) for kind in kinds))


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file system of temporary files counts as ext4."""
    found = tmp_path / "mountinfo"
    mounted(found, "ext4", device=tmp_path.stat().st_dev)
    monkeypatch.setattr(file_systems, "_TABLE", str(found))
    return found


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "app.py").write_bytes(b"print(1)\n")
    (root / "sub" / "a").write_bytes(b"aaaa")
    (root / "sub" / "deep" / "b").write_bytes(b"bbbb")
    (root / "link").symlink_to("app.py")
    os.link(root / "app.py", root / "same.py")
    (root / "out").mkdir()
    (root / "out" / "kept").write_bytes(b"kept")
    (root / "out" / "dropped").write_bytes(b"dropped")
    (root / "key.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    (root / "env").mkdir()
    (root / "env" / "c").write_bytes(b"c")
    tick(tmp_path)
    return Site(root, monkeypatch)


def test_the_first_look_equals_a_scan(site: Site) -> None:
    assert site.look() == site.truth()


def test_unchanged_trees_are_neither_walked_nor_read(site: Site) -> None:
    first = site.look()
    assert site.look() == first
    assert (site.walks, site.read) == (0, [])


def test_only_changed_files_are_read(site: Site) -> None:
    first = site.look()
    (site.root / "sub" / "a").write_bytes(b"AAAA")
    second = site.look()
    assert second == site.truth() != first
    assert site.read == ["sub/a"]


EVERYTHING = ["app.py", "env/c", "out/kept", "sub/a", "sub/deep/b"]


@pytest.mark.parametrize(
    "kind",
    [
        "tmpfs",
        "ramfs",
        "fuse.sshfs",
        "fuseblk",
        "nfs4",
        "cifs",
        "9p",
        "virtiofs",
        "vfat",
        "overlay",
    ],
)
def test_on_file_systems_with_unreliable_times_everything_is_read(
    site: Site, table: Path, kind: str
) -> None:
    mounted(table, kind, device=site.root.stat().st_dev)
    first = site.look()
    assert site.look() == first
    assert (site.walks, site.read) == (1, EVERYTHING)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "f2fs"])
def test_on_local_file_systems_nothing_is_read_twice(site: Site, table: Path, kind: str) -> None:
    mounted(table, kind, device=site.root.stat().st_dev)
    site.look()
    site.look()
    assert (site.walks, site.read) == (0, [])


def test_an_unlisted_device_counts_as_the_mount_at_its_path(site: Site, table: Path) -> None:
    """As with subvolumes of btrfs; of several mounts at one path the last is visible."""
    mounted(table, "tmpfs", "btrfs", device=site.root.stat().st_dev + 1)
    site.look()
    site.look()
    assert (site.walks, site.read) == (0, [])


@pytest.mark.parametrize(("below", "read"), [("ext4", []), ("tmpfs", EVERYTHING)])
def test_the_upper_directory_of_an_overlay_decides(
    site: Site, table: Path, below: str, read: list[str], tmp_path: Path
) -> None:
    device = site.root.stat().st_dev
    mounted(table, below, device=device + 1)
    under = table.read_text()
    options = f"rw,lowerdir=/lower,upperdir={tmp_path},workdir=/work"
    mounted(table, "overlay", device=device, options=options)
    place = str(site.root).replace(" ", "\\040")
    table.write_text(under + table.read_text().replace(" / / ", f" / {place} "))
    site.look()
    site.look()
    assert site.read == read


def test_without_a_table_of_mounts_everything_is_read(site: Site, table: Path) -> None:
    table.unlink()
    site.look()
    site.look()
    assert site.read == EVERYTHING


def test_writes_through_a_memory_map_are_noticed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_systems, "_TABLE", "/proc/self/mountinfo")
    place = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        site.root = place / "root"
        site.root.mkdir()
        (site.root / "data").write_bytes(b"old")
        first = site.look()
        with (site.root / "data").open("r+b") as file, mmap.mmap(file.fileno(), 3) as data:
            data[:] = b"new"
            data.flush()
            assert site.look() == site.truth() != first
    finally:
        shutil.rmtree(place)


def test_the_result_of_an_unchanged_look_is_complete(site: Site) -> None:
    found = index.look(site.root, "", site.find, now_ns=lambda: time.time_ns() + LATER_NS)
    again = index.look(site.root, "", site.find)
    assert site.walks == 1
    assert again.scan == found.scan
    assert again.contents == found.contents


def write(path: str, data: bytes) -> Callable[[Path], object]:
    return lambda root: (root / path).write_bytes(data)


def rewrite_with_the_same_time(root: Path) -> None:
    """Change a file without changing its size or modification time."""
    path = root / "sub" / "a"
    times = path.stat()
    path.write_bytes(b"AAAA")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replace_with_the_same_time(root: Path) -> None:
    path, new = root / "sub" / "a", root / "sub" / "new"
    shutil.copy2(path, new)
    times = new.stat()
    new.write_bytes(b"AAAA")
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    new.rename(path)


def relink(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("sub/a")


def become_a_folder(root: Path) -> None:
    (root / "sub" / "a").unlink()
    (root / "sub" / "a").mkdir()


def become_another_folder(root: Path) -> None:
    shutil.copytree(root / "sub", root / "other", copy_function=shutil.copy2)
    (root / "other" / "a").write_bytes(b"AAAA")
    shutil.rmtree(root / "sub")
    (root / "other").rename(root / "sub")


def part_from_the_other_name(root: Path) -> None:
    (root / "same.py").unlink()
    (root / "same.py").write_bytes(b"print(1)\n")


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": write("sub/a", b"AAAA"),
    "content with the old time": rewrite_with_the_same_time,
    "file replaced with the old time": replace_with_the_same_time,
    "mode": lambda root: (root / "app.py").chmod(0o755),
    "mode of a folder": lambda root: (root / "sub").chmod(0o700),
    "new file": write("sub/deep/new", b""),
    "removed file": lambda root: (root / "sub" / "deep" / "b").unlink(),
    "renamed folder": lambda root: (root / "sub").rename(root / "sup"),
    "target of a link": relink,
    "file that is now a folder": become_a_folder,
    "folder replaced": become_another_folder,
    "hard link that is now a copy": part_from_the_other_name,
    "file in a folder that is out": write("out/kept", b"KEPT"),
    "renamed file in a folder that is out": lambda root: (root / "out" / "kept").rename(
        root / "out" / "left"
    ),
    "key that is none any more": write("key.pem", b"-----BEGIN CERTIFICATE-----\n"),
    "folder that is now an environment": write("env/pyvenv.cfg", b"x"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_noticed(site: Site, change: Callable[[Path], object]) -> None:
    first = site.look()
    change(site.root)
    second = site.look()
    assert second == site.truth()
    # By default, folders with pyvenv.cfg are left out; the rules here have no such marker.
    assert second != first


def test_a_former_virtual_environment_is_noticed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "find", lambda _: scan(site.root, rules=None))
    (site.root / "env" / "pyvenv.cfg").write_bytes(b"")
    tick(site.root.parent)
    first = site.look()
    (site.root / "env" / "pyvenv.cfg").unlink()
    second = site.look()
    assert second != first
    assert second == tree_digest(scan(site.root, rules=None).entries, site.root)


def test_changes_of_excluded_files_do_not_matter(site: Site) -> None:
    (site.root / "a.log").write_bytes(b"1")
    (site.root / "out" / "dropped").write_bytes(b"1")
    site.look()
    (site.root / "a.log").write_bytes(b"2")
    (site.root / "out" / "dropped").write_bytes(b"2")
    site.look()
    assert site.walks == 0


def test_a_very_recent_file_is_read_again(site: Site) -> None:
    # All within one tick of the file system's clock, if possible.
    site.look(later_ns=0)
    site.look(later_ns=0)
    assert site.walks == 1
    assert "app.py" in site.read
    site.look()
    site.look()
    assert (site.walks, site.read) == (0, [])


def test_a_file_with_a_future_time_is_read_once(site: Site) -> None:
    later = time.time_ns() + 3600 * 10**9
    os.utime(site.root / "sub" / "a", ns=(later, later))
    tick(site.root.parent)
    first = site.look()
    assert site.look() == first
    assert (site.walks, site.read) == (0, [])
    rewrite_with_the_same_time(site.root)
    assert site.look() == site.truth() != first


def test_after_a_clock_change_everything_is_read_again(site: Site) -> None:
    site.look()
    (site.root / "sub" / "a").write_bytes(b"AAAA")
    site.look(later_ns=-3600 * 10**9)
    site.look()
    assert site.walks == 1
    assert site.look() == site.truth()


@pytest.mark.parametrize("setting", ["other rules", "é\udcff"])
def test_other_settings_invalidate_the_index(site: Site, setting: str) -> None:
    site.look()
    site.look(settings=setting)
    assert site.walks == 1


def test_another_version_of_buildr_invalidates_the_index(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.look()
    monkeypatch.setattr(index, "_code", lambda: "another")
    site.look()
    assert site.walks == 1


def stored(site: Site) -> Path:
    (path,) = (site.root.parent / "cache" / "buildr" / "index").iterdir()
    return path


def test_a_damaged_index_is_ignored(site: Site) -> None:
    truth = site.look()
    data = stored(site).read_bytes()
    for damaged in (b"", data[:-1], data[:100], data.replace(b"app.py", b"APP.py"), b"x" * 999):
        stored(site).write_bytes(damaged)
        assert site.look() == truth
        assert site.walks == 1


def test_an_index_of_another_directory_is_ignored(site: Site) -> None:
    site.look()
    other = site.root.with_name("other")
    shutil.copytree(site.root, other, symlinks=True)
    (other / "app.py").write_bytes(b"print(2)\n")
    mine = stored(site)
    name = cache.key(str(other), f" {index._code()}")
    mine.rename(mine.with_name(name))
    site.root = other
    assert site.look() == site.truth()
    assert "app.py" in site.read


@pytest.mark.parametrize("parts", [(), (b"",), (b"\xff", b""), (b"\x90", b"\x90"), (b"x",) * 3])
def test_an_inconsistent_index_is_ignored(site: Site, parts: tuple[bytes, ...]) -> None:
    truth = site.look()
    cache.store("index", stored(site).name, *parts)
    assert site.look() == truth
    assert site.walks == 1


def test_without_a_cache_folder_everything_is_read(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    site.look()
    assert site.look() == site.truth()
    assert "app.py" in site.read


def test_names_that_are_not_utf_8_disable_the_index(site: Site) -> None:
    Path(os.fsdecode(os.fsencode(site.root) + b"/\xff")).write_bytes(b"x")
    site.look()
    assert site.look() == site.truth()


def test_files_searched_for_secrets_are_not_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_into: list[bytes] = []

    def find_secret(data: bytes) -> bool:
        looked_into.append(data)
        return b"secret" in data

    monkeypatch.setattr(
        "buildr.context.secrets._ANY_CONTENT", Suspicion(9, find_secret, if_longer=False)
    )
    for name in ("a", "b", "c"):
        (site.root / f"{name}.txt").write_text(name)
    (site.root / "long.txt").write_text("secret" * 9)
    site.look()
    assert {b"a", b"b", b"c"} <= set(looked_into)
    looked_into.clear()
    site.look()
    assert looked_into == []
    (site.root / "b.txt").write_text("secret")
    changed = site.look()
    assert looked_into == [b"secret"]
    assert site.look() == changed
    (site.root / "c.txt").write_text("C")
    assert site.look() != changed
    assert looked_into == [b"secret", b"secret", b"C"]


def test_parallel_looks_agree(site: Site) -> None:
    truth = site.truth()
    with ThreadPoolExecutor(8) as pool:
        looks = [pool.submit(index.look, site.root, "", site.find) for _ in range(24)]
    assert {future.result().digest for future in looks} == {truth}
    assert site.look() == truth


def test_an_error_leaves_the_index_unchanged(site: Site) -> None:
    first = site.look()
    (site.root / ".wh.bad").touch()
    with pytest.raises(ContextError, match="cannot travel"):
        site.look()
    (site.root / ".wh.bad").unlink()
    assert site.look() == first
    assert site.read == []


def test_a_single_file_has_an_index_too(site: Site) -> None:
    path = site.root / "sub" / "a"

    def look() -> str:
        site.read = []
        clock = time.time_ns() + LATER_NS
        return index.look(path.parent, "a", lambda _: scan_file(path), now_ns=lambda: clock).digest

    first = look()
    assert look() == first
    assert site.read == []
    path.write_bytes(b"AAAA")
    assert look() != first
    assert site.read == ["a"]


# Any change -------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c.log", "out", "d", "key.pem", "é"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.sampled_from(
    [b"", b"1", b"2", b"-----BEGIN PRIVATE KEY-----", b"x" * 70_000, b"y" * 70_000]
)
STEPS = st.one_of(
    st.tuples(st.just("write"), PATHS, CONTENTS),
    st.tuples(st.just("keep time"), PATHS, CONTENTS),
    st.tuples(st.just("replace"), PATHS, CONTENTS),
    st.tuples(st.just("mkdir"), PATHS),
    st.tuples(st.just("remove"), PATHS),
    st.tuples(st.just("rename"), PATHS, PATHS),
    st.tuples(st.just("link"), PATHS, NAMES),
    st.tuples(st.just("hard link"), PATHS, PATHS),
    st.tuples(st.just("chmod"), PATHS, st.sampled_from([0o600, 0o644, 0o755, 0o700])),
    st.tuples(st.just("look"), st.sampled_from([0, LATER_NS, -LATER_NS])),
)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def shifted(by_ns: int) -> Callable[[], int]:
    return lambda: time.time_ns() + by_ns


def _rewrite(target: Path, *step: object) -> None:
    match step:
        case "write", bytes(data):
            target.write_bytes(data)
        case "keep time", bytes(data):
            times = target.stat()
            target.write_bytes(data)
            os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
        case "replace", bytes(data):
            target.with_name("new").write_bytes(data)
            target.with_name("new").rename(target)


def take(root: Path, step: tuple[object, ...]) -> None:
    """Carry out one step, if the tree allows it."""
    action, path, *more = step
    target = root / str(path)
    _rewrite(target, action, *more)
    match action, *more:
        case ("mkdir",):
            target.mkdir()
        case ("remove",):
            remove(target)
        case "rename", str(new):
            target.rename(root / new)
        case "link", str(to):
            target.symlink_to(to)
        case "hard link", str(new):
            os.link(target, root / new)
        case "chmod", int(mode):
            if target.is_dir():
                mode |= 0o700
            target.chmod(mode)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, max_size=25))
def test_the_index_and_a_full_scan_agree_after_any_change(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[object, ...]],
) -> None:
    top = tmp_path_factory.mktemp("tree")
    monkeypatch.setenv("XDG_CACHE_HOME", str(top / "cache"))
    root = top / "root"
    root.mkdir()
    site = Site(root, monkeypatch)
    for step in [*steps, ("look", LATER_NS)]:
        if step[0] == "look":
            # Only scans "later" need other times from here on: the others distrust recent files.
            late = step[1] == LATER_NS
            if late:
                tick(top)
            assert isinstance(step[1], int)
            later = step[1]
            found = index.look(root, "", site.find, now_ns=shifted(later))
            assert found.digest == site.truth()
            if late:
                tick(top)
        else:
            try:
                take(root, step)
            except OSError:
                continue
    shutil.rmtree(top)
