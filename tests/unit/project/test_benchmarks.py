"""The benchmarks' own logic: arithmetic, results, the page and the picture; nothing is measured here."""

from __future__ import annotations

import dataclasses
import os
import re
import resource
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import engines, figures, page, picture, projects, results, service, timed
from benchmarks.bench import PREFIX, Bench
from benchmarks.cases import CASES
from benchmarks.engines import BenchmarkError, Engine
from benchmarks.rawhttp import Connection
from benchmarks.results import Measure, Results, series
from tests.unit.processes import SECONDS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def engine() -> Engine:
    """No engine: commands run as they are."""
    return Engine(
        name="docker",
        backend="docker",
        uid=None,
        environ={"PATH": os.environ["PATH"]},
        base_image="base",
    )


MEASURE = Measure(
    case="nothing-changed",
    engine="docker",
    title="nothing changed",
    how="ratio",
    ours=series("Buildr", [0.3, 0.2, 0.4]),
    theirs=series("docker run --rm", [0.2, 0.2, 0.2]),
    limit=1.2,
    date="2026-01-02",
)


def measure(**changes: Any) -> Measure:
    return dataclasses.replace(MEASURE, **changes)


MACHINE = {
    "cores": "2",
    "memory": "8 GiB",
    "kernel": "6.1",
    "architecture": "x86_64",
    "docker": "20.10",
}


# Arithmetic


def test_a_percentile_is_the_nearest_rank() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert figures.percentile(values, 95) == 5
    assert figures.percentile(values, 60) == 3
    assert figures.percentile(values, 1) == 1


@pytest.mark.parametrize(("values", "percent"), [([], 50.0), ([1.0], 0.0), ([1.0], 101.0)])
def test_invalid_percentiles_are_refused(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        figures.percentile(values, percent)


def test_pairs_cancel_a_common_slowdown() -> None:
    ours, theirs = [1.2, 2.4, 12.0], [1.0, 2.0, 10.0]
    assert figures.ratio(ours, theirs) == pytest.approx(1.2)
    assert figures.median(ours) / figures.median(theirs) == pytest.approx(1.2)
    assert figures.ratio([1.2, 2.4, 12.0, 24.0], [1.0, 2.0, 10.0, 1.0]) == pytest.approx(1.2)
    assert figures.difference([1.2, 2.3, 10.4], [1.0, 2.0, 10.0]) == pytest.approx(0.3)


def test_values_without_a_partner_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        figures.ratio([1.0, 2.0], [1.0])


# Results


@pytest.mark.parametrize(
    ("changes", "value", "met"),
    [
        ({}, 1.5, False),
        ({"limit": 1.5}, 1.5, True),
        ({"limit": None}, 1.5, None),
        ({"how": "inverse", "limit": 0.8, "at_least": True}, 2 / 3, False),
        ({"how": "inverse", "limit": 0.5, "at_least": True}, 2 / 3, True),
        ({"how": "difference", "limit": 0.15}, 0.1, True),
        ({"how": "value", "limit": 0.25}, 0.3, False),
        ({"how": "peak", "limit": 0.35}, 0.4, False),
    ],
)
def test_a_target_limits_the_chosen_figure(
    changes: dict[str, Any], value: float, met: bool | None
) -> None:
    found = measure(**changes)
    assert found.value == pytest.approx(value)
    assert found.met is met


def test_the_fastest_runs_of_both_sides_are_compared() -> None:
    ours, theirs = series("Buildr", [0.3, 0.2]), series("bare", [0.5, 0.1])
    assert measure(ours=ours, theirs=theirs).fastest == pytest.approx(2)
    assert measure(ours=ours, theirs=theirs, how="inverse").fastest == pytest.approx(0.5)
    assert measure(ours=ours, theirs=theirs, how="difference").fastest is None


def test_results_survive_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    first = Results(machine=MACHINE, measures=[measure(), measure(case="steps", theirs=None)])
    results.write(path, first)
    assert results.read(path) == first


def test_missing_results_are_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="does not exist"):
        results.read(tmp_path / "results.json")


def test_new_results_replace_only_those_of_the_same_case_and_engine() -> None:
    old = Results(
        machine=MACHINE,
        measures=[measure(name="gone"), measure(engine="podman-root"), measure(case="other")],
    )
    new = Results(machine={**MACHINE, "podman": "5"}, measures=[measure(limit=7)])
    merged = results.merge(old, new)
    assert merged.machine == {**MACHINE, "podman": "5"}
    assert sorted((m.case, m.engine, m.limit) for m in merged.measures) == [
        ("nothing-changed", "docker", 7),
        ("nothing-changed", "podman-root", 1.2),
        ("other", "docker", 1.2),
    ]


def test_results_of_another_machine_are_not_mixed_in() -> None:
    old = Results(machine=MACHINE, measures=[measure(case="other")])
    new = Results(machine={**MACHINE, "cores": "64"}, measures=[measure()])
    assert results.merge(old, new) == new


def test_facts_of_the_machine_do_not_name_it() -> None:
    facts = results.machine_facts({"docker": "20.10"})
    assert set(facts) == {"cores", "memory", "kernel", "architecture", "Python", "docker"}
    assert os.uname().nodename not in facts.values()


# The page


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1234, "s", "0.12 s"),
        (12.34, "s", "12.3 s"),
        (0.1234, "ms", "0.12 ms"),
        (41.26, "ms", "41.3 ms"),
        (141.26, "ms", "141 ms"),
        (23.6, "MB", "24 MB"),
        (0, "", "0"),
    ],
)
def test_an_amount_is_rounded_by_its_size(value: float, unit: str, text: str) -> None:
    assert page.amount(value, unit) == text


def test_a_measure_is_one_line() -> None:
    assert page.line(measure(more={"95 % within, ms": 3.0})) == (
        "nothing changed on docker: 1.50 ×; target ≤ 1.2 ×, **missed**; Buildr: 0.30 s;"
        " docker run --rm: 0.20 s; 95 % within, ms: 3.0"
    )


def test_tables_are_regenerated_and_other_text_is_kept() -> None:
    names = ("machine", "targets", "peers", "floor")
    text = "# Title\n" + "".join(
        f"before {name}\n<!-- {name}: written by `scripts/bench --report` -->\nold\n<!-- end -->\n"
        for name in names
    )
    measures = [
        measure(),
        measure(case="peers", title="by hand", limit=None),
        measure(case="steps", title="create", name="00 create", how="value", unit="ms", limit=None),
    ]
    done = page.render(text, Results(machine=MACHINE, measures=measures))
    assert "old" not in done
    assert re.findall(r"^before (\w+)$", done, re.MULTILINE) == list(names)
    assert "2 cores, 8 GiB, Linux 6.1 on x86_64, docker 20.10. Measured: 2026-01-02.\n" in done
    assert (
        "| nothing changed | docker | 1.50 × | ≤ 1.2 × | **missed** | 1.00 × | Buildr: 0.30 s |"
        in done
    )
    assert "| by hand | docker | Buildr: 0.30 s | docker run --rm: 0.20 s | 3 |\n" in done
    assert "| step, ms | docker |\n| --- | --- |\n| create | 0.3 |\n" in done
    assert page.render(done, Results(machine=MACHINE, measures=measures)) == done


def test_a_page_without_its_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="machine"):
        page.render("# Title\n", Results(machine=MACHINE, measures=[]))


def test_the_page_and_the_picture_show_the_stored_results() -> None:
    found = results.read(results.FILE)
    assert page.render(page.PAGE.read_text(), found) == page.PAGE.read_text()
    drawn = picture.draw(picture.panels(found), picture.note(found))
    assert drawn == page.PICTURE.read_text()


# The picture


def test_bars_are_as_long_as_their_values() -> None:
    bars = (picture.Bar("Buildr <&>", 0.5, ours=True), picture.Bar("peer", 2.0, ours=False))
    root = ET.fromstring(picture.draw([picture.Panel("title", bars)], "note"))  # noqa: S314 - our own
    boxes = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("class") != "ground"]
    assert [box.get("class") for box in boxes] == ["ours", "theirs"]
    first, second = (float(box.get("width", "")) for box in boxes)
    assert second == pytest.approx(4 * first, rel=0.01)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:5] == ["title", "Buildr <&>", "0.50 s", "peer", "2.00 s"]


def test_nothing_is_drawn_outside_the_picture() -> None:
    bars = tuple(picture.Bar("x", value, ours=False) for value in (0.001, 50.0))
    root = ET.fromstring(picture.draw([picture.Panel("t", bars)] * 4, "note"))  # noqa: S314 - our own
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(box.get("x", "")) + float(box.get("width", "")) <= width
        assert float(box.get("y", "")) + float(box.get("height", "")) <= height


def test_the_note_names_the_engines_that_were_measured() -> None:
    machine = {**MACHINE, "docker": "20.10.24+dfsg1"}
    assert picture.note(Results(machine=machine, measures=[])) == (
        "Wall time of the whole command, median. 2 cores, Docker 20.10.24."
    )


def test_a_panel_without_results_is_left_out() -> None:
    found = picture.panels(Results(machine=MACHINE, measures=[measure()]))
    assert [panel.title for panel in found] == ["Run again, nothing changed: a small project"]
    assert [bar.label for bar in found[0].bars] == ["Buildr on Docker", "docker run --rm"]


# Running


def test_a_run_records_output_time_and_memory(engine: Engine) -> None:
    script = "x = bytearray(200_000_000); x[::4096] = x[::4096]; print(len(x))"
    found = timed.run(engine, ("python3", "-c", script), cwd="/")
    assert found.output == b"200000000\n"
    assert found.seconds > 0
    # A process begins with the peak of the one that starts it: this one, in which other tests have run.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 200_000_000 < found.peak_bytes < max(own, 300_000_000) + 100_000_000


def test_a_failed_command_is_an_error_with_its_output(engine: Engine) -> None:
    with pytest.raises(BenchmarkError, match=r"(?s)status 3:.*out of luck"):
        timed.run(engine, ("sh", "-c", "echo out of luck >&2; exit 3"), cwd="/")
    with pytest.raises(BenchmarkError, match="out of luck"):
        engine.output("sh", "-c", "echo out of luck >&2; exit 3")


def test_output_is_counted_without_being_kept(engine: Engine) -> None:
    found = timed.run(
        engine, ("head", "-c", "5000000", "/dev/zero"), cwd="/", read=timed.count_bytes
    )
    assert found.output == b"5000000"


def test_a_delay_is_from_the_stamp_to_the_reader() -> None:
    read, write = os.pipe()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    os.write(write, b"%d\n%d" % (before, before))
    os.write(write, b"\n")
    os.close(write)
    with os.fdopen(read):
        found = [int(line) for line in timed.delays(read).split()]
    total = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - before
    assert len(found) == 2
    assert all(0 < delay <= total for delay in found)


def test_both_sides_alternate_after_a_warm_up(engine: Engine, tmp_path: Path) -> None:
    calls: list[str] = []

    def call(side: str) -> str:
        calls.append(side)
        return f"{side}{len(calls)}"

    found = Bench(engine, tmp_path, 2).in_turn(lambda: call("A"), lambda: call("B"))
    assert calls == ["A", "B"] * 3
    assert found == (["A3", "A5"], ["B4", "B6"])


def test_only_services_of_the_environment_are_stopped(tmp_path: Path) -> None:
    # A program whose command line is `podman system service`: a shell by that name, with that as its script's name.
    (tmp_path / "system").write_text("read -r line\n")

    def start(directory: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ("podman", "system", *words),
            executable="/bin/sh",
            cwd=tmp_path,
            env={"XDG_RUNTIME_DIR": directory},
            stdin=subprocess.PIPE,
        )

    with start("/ours", "service") as ours, start("/theirs", "service") as theirs:
        with start("/ours", "prune") as other:
            service.end_services({"XDG_RUNTIME_DIR": "/ours"})
            assert ours.wait(SECONDS) != 0
            assert (theirs.poll(), other.poll()) == (None, None)
            other.communicate(b"\n")
        theirs.communicate(b"\n")


def test_projects_have_the_right_files(tmp_path: Path) -> None:
    for kind in ("small", "dependencies"):
        directory = tmp_path / kind
        directory.mkdir()
        projects.KINDS[kind](directory, f"{PREFIX}{kind}")
        compile((directory / "app.py").read_text(), "app.py", "exec")
        assert f'"name": "{PREFIX}{kind}"' in (directory / "app.py").read_text()
    assert len((tmp_path / "dependencies" / "requirements.txt").read_text().splitlines()) == 5


def test_a_changed_line_changes_nothing_but_that_line(tmp_path: Path) -> None:
    projects.small(tmp_path, "small")
    first = (tmp_path / "app.py").read_text()
    projects.change_a_line(tmp_path, 1)
    projects.change_a_line(tmp_path, 2)
    assert (tmp_path / "app.py").read_text() == f"{first}# round 2\n"


def test_engines_are_read_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "engines.json"
    path.write_text(
        '{"base_image": "base", "engines": {"docker": {"backend": "docker", "user": null,'
        ' "uid": 0, "home": "/root", "environ": {"DOCKER_HOST": "unix:///x"}}}}'
    )
    (found,) = engines.load(str(path))
    assert (found.name, found.uid, found.environ["DOCKER_HOST"]) == ("docker", None, "unix:///x")
    assert found.environ["BUILDR_BASE_IMAGE"] == "base"
    with pytest.raises(BenchmarkError, match="scripts/engines up"):
        engines.load(str(tmp_path / "none.json"))


def test_case_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


# The floor's own HTTP


def test_all_forms_of_answers_are_read(tmp_path: Path) -> None:
    import socket

    path = str(tmp_path / "s")
    answers = [
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"Id": 1}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
        b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nearly",
    ]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                for answer in answers:
                    peer.recv(1 << 16)
                    peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with Connection(path) as connection:
            assert connection.ask("GET", "/a") == {"Id": 1}
            assert connection.ask("POST", "/b", {"x": 1}) == b"abcde"
            assert connection.ask("DELETE", "/c") == b""
            with pytest.raises(BenchmarkError, match="404 gone"):
                connection.ask("GET", "/d")
            connection.upgrade("/e")
            assert connection.receive() == b"early"
            assert connection.receive() == b""
        thread.join(SECONDS)
