"""Files written by the guest for the project: what is copied, and what a guest cannot do."""

from __future__ import annotations

import io
import os
import tarfile
import time
from typing import TYPE_CHECKING, Any

import pytest

from buildr.errors import ContainerError, OptionError
from buildr.run import outputs
from buildr.run.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LATER = 4_000_000_000


class Engine:
    """Only what is asked of an engine here, with an archive as a guest may make it."""

    def __init__(self, changed: list[str], *members: tarfile.TarInfo | tuple[str, bytes]) -> None:
        self._changed = changed
        self._members = members
        self.asked: list[str] = []

    def changed(self, _container: str) -> list[str]:
        return self._changed

    def get_archive(self, _container: str, path: str) -> Iterator[bytes]:
        self.asked.append(path)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for member in self._members:
                if isinstance(member, tarfile.TarInfo):
                    tar.addfile(member)
                else:
                    tar.addfile(file(*member), io.BytesIO(member[1]))
        return iter((buffer.getvalue(),))


def file(name: str, data: bytes = b"", *, mode: int = 0o644, mtime: int = LATER) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), mode, mtime
    return member


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mtime = kind, link, LATER
    return member


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    project = tmp_path / "project"
    project.mkdir()
    return project


def collect(project: Path, engine: Engine, *patterns: str) -> outputs.Collected:
    backend: Any = engine
    return Outputs(patterns, str(project)).collect(backend, "c")


def below(top: Path) -> dict[str, bytes]:
    return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        (["out/*.csv"], {"out/a.csv"}),
        (["out"], {"out/a.csv", "out/b.txt", "out/deep/c.csv"}),
        (["**/*.csv"], {"out/a.csv", "out/deep/c.csv", "top.csv"}),
        (["*.csv", "out/b.*"], {"top.csv", "out/b.txt"}),
        (["nothing"], set()),
    ],
)
def test_matching_files_are_copied(project: Path, patterns: list[str], taken: set[str]) -> None:
    names = ["out/a.csv", "out/b.txt", "out/deep/c.csv", "top.csv"]
    folders = ["/app/out", "/app/out/deep", "/etc", "/etc/passwd", "/app"]

    class Whole(Engine):
        def get_archive(self, container: str, path: str) -> Iterator[bytes]:
            above = os.path.dirname(path)
            paths = [f"/app/{name}" for name in names]
            self._members = tuple(
                (os.path.relpath(p, above), p.encode())
                for p in paths
                if p == path or p.startswith(f"{path}/")
            )
            return super().get_archive(container, path)

    engine = Whole([*folders, *(f"/app/{name}" for name in names)])
    found = collect(project, engine, *patterns)
    assert set(found.written) == taken
    assert below(project) == {name: f"/app/{name}".encode() for name in taken}
    assert found.refused == []


def test_many_files_are_requested_together(project: Path) -> None:
    names = [f"out/{i}.csv" for i in range(20)]
    engine = Engine([f"/app/{n}" for n in names], *((n, b"x") for n in [*names, "out/same.csv"]))
    found = collect(project, engine, "out/*.csv")
    assert engine.asked == ["/app/out"]
    assert sorted(found.written) == sorted(names)


def test_modes_times_and_the_umask_are_respected(project: Path) -> None:
    engine = Engine(["/app/a", "/app/b"], file("a", mode=0o4777), file("b", mode=0o600, mtime=5))
    before = os.umask(0o027)
    try:
        collect(project, engine, "a")
        collect(project, Engine(["/app/b"], file("b", mode=0o600, mtime=5)), "b")
    finally:
        os.umask(before)
    assert (project / "a").stat().st_mode & 0o7777 == 0o750
    assert (project / "b").stat().st_mode & 0o7777 == 0o640
    assert ((project / "b").stat().st_mtime, (project / "b").stat().st_uid) == (5, os.getuid())


def test_a_newer_file_is_kept(project: Path) -> None:
    (project / "a").write_bytes(b"mine")
    old = Engine(["/app/a"], file("a", mtime=1))
    assert collect(project, old, "a").refused == ["a: the file in the project is newer"]
    written_meanwhile = Engine(["/app/a"], ("a", b"guest"))
    backend: Any = written_meanwhile
    waiting = Outputs(("a",), str(project))
    os.utime(project / "a", (time.time() + 5, time.time() + 5))
    assert waiting.collect(backend, "c").written == []
    assert (project / "a").read_bytes() == b"mine"
    os.utime(project / "a", (1, 1))
    assert collect(project, written_meanwhile, "a").written == ["a"]
    assert (project / "a").read_bytes() == b"guest"


def test_an_identical_file_is_skipped(project: Path) -> None:
    (project / "a").write_bytes(b"same")
    found = collect(project, Engine(["/app/a"], ("a", b"same")), "a")
    assert (found.written, found.refused) == ([], [])


@pytest.mark.parametrize(
    ("changed", "member"),
    [
        (["/app/../outside/x"], ("x", b"evil")),
        (["/app//outside"], ("outside", b"evil")),
        (["/app/out"], ("../outside/x", b"evil")),
        (["/app/out"], ("/outside/x", b"evil")),
        (["/app/out", "/app/out/x"], ("out/../../outside/x", b"evil")),
        (["/app/out"], special("out", tarfile.SYMTYPE, "../outside")),
        (["/app/out"], special("out", tarfile.LNKTYPE, "/etc/passwd")),
        (["/app/out"], special("out", tarfile.FIFOTYPE)),
        (["/app/out"], special("out", tarfile.CHRTYPE)),
        (["out/x"], ("x", b"evil")),
    ],
)
def test_nothing_is_written_outside_the_project(
    project: Path, changed: list[str], member: tarfile.TarInfo | tuple[str, bytes]
) -> None:
    collect(project, Engine(changed, member), "**")
    assert below(project.parent / "outside") == {}
    assert not any(path.is_symlink() or not path.is_file() for path in project.iterdir())
    assert b"evil" not in below(project).values()


@pytest.mark.parametrize("link", ["out", "out/a"])
def test_a_link_in_the_project_is_not_followed(project: Path, link: str) -> None:
    outside = project.parent / "outside"
    (outside / "a").write_bytes(b"safe")
    (project / link).parent.mkdir(exist_ok=True)
    (project / link).symlink_to(outside if link == "out" else outside / "a")
    found = collect(project, Engine(["/app/out/a"], ("out/a", b"evil")), "out/a")
    assert below(outside) == {"a": b"safe"}
    assert (found.written, len(found.refused)) == ([], 1)
    assert (project / link).is_symlink()


@pytest.mark.parametrize("path", [".git/hooks/post-commit", "sub/.GIT/config", ".hg/hgrc", ".git"])
def test_version_control_is_out_of_reach(project: Path, path: str) -> None:
    name = "/".join(path.split("/")[-2:])  # what is asked for is the folder
    found = collect(project, Engine([f"/app/{path}"], (name, b"evil")), "**")
    assert found.refused == [f"{path} belongs to version control"]
    assert below(project) == {}
    assert found.written == []


def test_the_total_size_is_limited(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "MOST_BYTES", 10)
    engine = Engine(["/app/o/a", "/app/o/b", "/app/o"], ("o/a", b"123456"), ("o/b", b"123456"))
    found = collect(project, engine, "o")
    assert found.written == ["o/a"]
    assert found.refused == ["o/b is more than the outputs of a run may be"]
    assert below(project) == {"o/a": b"123456"}


def test_a_truncated_archive_is_an_error_and_leaves_nothing(project: Path) -> None:
    class Broken(Engine):
        def get_archive(self, container: str, path: str) -> Iterator[bytes]:
            return iter((next(super().get_archive(container, path))[:600],))

    with pytest.raises(ContainerError, match="the outputs of the run cannot be copied"):
        collect(project, Broken(["/app/a"], ("a", b"x" * 1000)), "a")
    assert below(project) == {}


def test_an_invalid_pattern_is_an_error(project: Path) -> None:
    with pytest.raises(OptionError, match=r"runtime\.outputs has a pattern that is not valid"):
        Outputs(("[",), str(project))
