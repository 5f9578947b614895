"""Housekeeping: started by a run if there is work, never awaited, and retried with growing pauses."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.engines.records import EngineInfo, Image
from buildr.errors import EngineError
from buildr.host import cache, children, marks
from buildr.labels import PROJECT
from buildr.leftovers import housekeeping, tasks
from buildr.leftovers.build_lock import alone, building
from buildr.leftovers.old_images import OldImages
from buildr.testing import FakeBackend, FakeContainer, using
from buildr.testing.fake_containers import nothing
from tests.unit import calls
from tests.unit.host.test_marks import killed
from tests.unit.housekeeping import clean_up
from tests.unit.runners.test_engine import empty_input, project_directory, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from buildr.engines.records import ContainerState

__all__ = ["empty_input", "project_directory"]  # fixtures


class Stuck(FakeBackend):
    """An engine that never answers a question about all that it has."""

    def __init__(self, guest: Callable[[FakeContainer], int]) -> None:
        super().__init__(guest)
        self.asked: list[str] = []

    def images(self, labels: Mapping[str, str], *, unnamed: bool = False) -> Sequence[Image]:
        self.asked.append("images")
        threading.Event().wait()
        return super().images(labels, unnamed=unnamed)

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        self.asked.append("containers")
        threading.Event().wait()
        return super().containers(labels)


imported = contextlib.contextmanager(calls.imported)


def fail(_container: FakeContainer) -> int:
    return 3


def succeed(_container: FakeContainer) -> int:
    return 0


def break_off(container: FakeContainer) -> int:
    container.cut()
    return 5


@pytest.mark.parametrize(("guest", "status"), [(fail, 3), (succeed, 0), (break_off, 5)])
def test_the_end_of_a_run_does_not_list_objects(
    guest: Callable[[FakeContainer], int], status: int
) -> None:
    killed("run", "fake")
    killed("build", "fake")
    backend = Stuck(guest)
    assert run(backend) == status
    assert backend.asked == []


def test_the_end_of_a_call_does_not_list_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed("run", "fake")
    killed("build", "fake")
    with using(Stuck(nothing)) as backend, imported(tmp_path, monkeypatch) as work:
        assert work.give.remote(1) == 1
        assert list(work.give.map([1, 2])) == [1, 2]
    assert backend.asked == []


def engine_here(tmp_path: Path) -> EngineInfo:
    """Return an engine that another process could reach, if it were there."""
    return EngineInfo(
        backend="docker",
        version="1",
        rootless=True,
        remote=False,
        endpoint=f"unix://{tmp_path}/no.sock",
        found="a test",
    )


def started(before: set[int]) -> set[int]:
    return set(children._started) - before


@pytest.fixture
def processes() -> Iterator[set[int]]:
    before = set(children._started)
    yield before
    for pid in started(before):
        os.waitpid(pid, 0)
    children.collect()


def test_without_work_no_process_is_started(tmp_path: Path, processes: set[int]) -> None:
    with housekeeping.afterwards(engine_here(tmp_path)):
        pass
    assert not started(processes)


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, EngineError("gone")])
def test_leftovers_start_a_process_at_every_end(
    error: BaseException | None, tmp_path: Path, processes: set[int]
) -> None:
    killed("run", "docker")
    try:
        with housekeeping.afterwards(engine_here(tmp_path)):
            if error is not None:
                raise error
    except (KeyboardInterrupt, EngineError):
        pass
    assert len(started(processes)) == 1


def test_the_process_inherits_no_locks_or_descriptors(tmp_path: Path, processes: set[int]) -> None:
    with open_socket(tmp_path) as never_answers:
        killed("run", "docker")
        read, write = os.pipe()
        os.set_inheritable(write, True)  # noqa: FBT003 - takes it so alone
        info = engine_here(tmp_path)
        housekeeping.begin(info)
        os.close(write)
        connection, _ = never_answers.accept()  # it is at work
        assert os.read(read, 1) == b""
        os.close(read)
        (pid,) = started(processes)
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        os.kill(pid, signal.SIGKILL)
        connection.close()


def open_socket(tmp_path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"{tmp_path}/no.sock")
    listener.listen(1)
    return listener


def test_only_one_works_on_an_engine_at_a_time() -> None:
    killed("run", "fake")
    backend = FakeBackend()
    with housekeeping.take("fake") as (_, names):
        assert names == ["runs"]
        killed("build", "fake")
        clean_up(backend)
        assert backend.operations == []
        assert marks.left("build", "fake")
        housekeeping.run_tasks("fake", lambda: backend, names)
    assert not marks.left("run", "fake")
    assert not marks.left("build", "fake")  # what came up meanwhile is done, too


def dead_labels() -> dict[str, str]:
    code = "from buildr.engines import ownership; print(ownership.labels(1))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, str] = eval(done.stdout)  # noqa: S307 - what we printed ourselves
    return found


def test_leftovers_of_a_killed_run_are_removed_with_its_mark() -> None:
    backend = FakeBackend()
    image = backend.add_image("x")
    left = backend.create(ownership.signed(ContainerSpec(image=image.id, labels=dead_labels())))
    live = backend.create(
        ownership.signed(ContainerSpec(image=image.id, labels=ownership.labels(1)))
    )
    killed("run", "fake")
    clean_up(backend)
    assert backend.state(left) is None
    assert backend.state(live) is not None
    assert not marks.left("run", "fake")


def pause() -> tuple[Path, int, float]:
    """Return the file of the one pause that there is, how often the work has failed, and how long it waits yet."""
    (path,) = Path(cache.directory(), "housekeeping").glob("*-pause")
    failures, until = path.read_text().split()
    return path, int(failures), float(until) - time.time()


def test_the_pause_doubles_after_each_failure_up_to_a_limit() -> None:
    killed("run", "fake")
    backend = FakeBackend()
    backend.fail("containers", EngineError("busy"), times=None)
    waits = []
    for number in range(1, 15):
        clean_up(backend)
        clean_up(backend)  # too early
        assert backend.operations.count("containers") == number
        path, failures, wait = pause()
        assert failures == number
        waits.append(wait)
        path.write_text(f"{failures} 0")  # as if it were over
    assert all(later > 1.9 * earlier for earlier, later in itertools.pairwise(waits[:8]))
    assert waits[-1] == pytest.approx(6 * 3600, abs=60)
    assert marks.left("run", "fake")


def test_a_success_resets_the_pause() -> None:
    killed("run", "fake")
    backend = FakeBackend()
    backend.fail("containers", EngineError("busy"))
    clean_up(backend)
    path, _, _ = pause()
    path.write_text("5 0")
    clean_up(backend)
    assert not path.exists()
    assert not marks.left("run", "fake")


@pytest.mark.parametrize("text", ["", "x y", "1", f"3 {1 << 62}", "nan inf", "-5 -5"])
def test_an_invalid_pause_is_ignored(text: str) -> None:
    killed("run", "fake")
    backend = FakeBackend()
    backend.fail("containers", EngineError("busy"))
    clean_up(backend)
    path, _, _ = pause()
    path.write_text(text)
    clean_up(backend)
    assert not marks.left("run", "fake")


def test_each_kind_of_work_has_its_own_pause() -> None:
    killed("build", "fake")
    backend = FakeBackend()
    backend.fail("images", EngineError("busy"))
    clean_up(backend)
    killed("run", "fake")
    clean_up(backend)
    assert not marks.left("run", "fake")
    assert marks.left("build", "fake")


def test_a_killed_attempt_counts_as_a_failure() -> None:
    killed("run", "fake")

    class Ending(FakeBackend):
        def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
            super().containers(labels)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clean_up(Ending())
    backend = FakeBackend()
    clean_up(backend)
    assert backend.operations == []


OLD = OldImages(
    project="p", name="localhost/buildr/p", newest="none", secrets=False, installs=False
)


def old_images_of(backend: FakeBackend) -> list[str]:
    for number in range(5):
        image = Image(id="", labels={PROJECT: "p"})
        backend.add_image(f"localhost/buildr/p:{number:032x}", image)
    return [tag for image in backend.images({PROJECT: "p"}) for tag in image.tags]


def test_during_a_build_housekeeping_removes_no_image_and_does_not_wait() -> None:
    backend = FakeBackend()
    tags = old_images_of(backend)
    tasks.note(backend.info, OLD)
    with building("fake"):
        clean_up(backend)
    assert [tag for row in backend.images({}) for tag in row.tags] == tags
    path, _, _ = pause()
    path.unlink()
    clean_up(backend)
    assert len(backend.images({})) < len(tags)


def test_a_build_waits_for_at_most_one_removal() -> None:
    """The process that lists does not hold the lock: another process could begin a build at once."""
    free: list[bool] = []

    class Watched(FakeBackend):
        def images(self, labels: Mapping[str, str], *, unnamed: bool = False) -> Sequence[Image]:
            with alone() as nobody:
                free.append(nobody)
            return super().images(labels, unnamed=unnamed)

    backend = Watched()
    old_images_of(backend)
    free.clear()
    killed("build", "fake")
    tasks.note(backend.info, OLD)
    clean_up(backend)
    assert free == [True, True]
    assert not list(tasks.due("fake"))


def test_a_damaged_note_is_removed() -> None:
    tasks.note(FakeBackend().info, OLD)
    (path,) = Path(cache.directory(), "housekeeping").iterdir()
    path.write_bytes(b"{")
    clean_up(FakeBackend())
    assert not list(tasks.due("fake"))


def test_without_a_writable_folder_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    backend = FakeBackend()
    tasks.note(backend.info, OLD)
    clean_up(backend)
    assert run(backend) == 0
