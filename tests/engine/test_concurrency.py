"""Consecutive and parallel runs, and projects with the same name or odd paths."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import images
from tests.engine.images import nothing_left as check_nothing_left
from tests.engine.images import site as make_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine
    from tests.engine.images import Site

AT_ONCE = 5
SECONDS = 300  # for runs that build, even on a slow machine

SAY = """\
import sys
from buildr import Containerize

@Containerize{options}
def main():
    print({text!r}, *sys.argv[1:])
    sys.exit(len(sys.argv))

if __name__ == "__main__":
    main()
"""


@pytest.fixture(autouse=True)
def nothing_left(engine: Engine) -> Iterator[None]:
    yield from check_nothing_left(engine)


@pytest.fixture
def site(engine: Engine) -> Iterator[Site]:
    yield from make_site(engine)


@pytest.fixture
def other_site(engine: Engine) -> Iterator[Site]:
    yield from make_site(engine)


@pytest.fixture
def odd_site(engine: Engine) -> Iterator[Site]:
    yield from make_site(engine, """it's a "pröject" $HOME `id` %s 日本""")


def test_the_second_run_builds_nothing(site: Site) -> None:
    site.script("print('hello')")
    first = site.run()
    built = site.images()
    second = site.run()
    assert (first.returncode, first.stdout) == (0, b"hello\n"), first.stderr.decode()
    assert (second.returncode, second.stdout, second.stderr) == (0, b"hello\n", b"")
    assert site.images() == built


def test_parallel_runs_without_an_image_do_not_disturb_each_other(site: Site) -> None:
    site.script(
        "print(sys.argv[1], sys.stdin.read())\nsys.exit(int(sys.argv[1]))", imports="import sys"
    )
    processes = [
        site.engine.popen(sys.executable, "app.py", str(number), cwd=site.directory)
        for number in range(AT_ONCE)
    ]
    try:
        for process in processes:  # all have been started; each waits for its input
            assert process.stdin is not None
            process.stdin.write(f"input of {process.args!r}".encode())
            process.stdin.close()
            process.stdin = None
        outcomes = []
        for process in processes:
            stdout, stderr = process.communicate(timeout=SECONDS)
            assert b"Traceback" not in stderr, stderr.decode()
            assert process.returncode != 125, stderr.decode()
            outcomes.append((process.returncode, stdout.decode()))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert outcomes == [
        (number, f"{number} input of {process.args!r}\n")
        for number, process in enumerate(processes)
    ]
    again = site.run("app.py", "7")
    assert (again.returncode, again.stdout, again.stderr) == (7, b"7 \n", b"")


def test_scripts_of_one_name_in_two_places_keep_their_own_images(
    engine: Engine, site: Site, other_site: Site
) -> None:
    script = f"{site.name}.py"  # it names the image, in place of the option `name`
    other_site.name = site.name
    try:
        site.write({script: SAY.format(options="", text="one")})
        other_site.write({script: SAY.format(options="", text="other")})
        for _ in range(2):
            assert site.run(script).stdout == b"one\n"
            assert other_site.run(script).stdout == b"other\n"
        assert site.run(script).stderr == b""  # nothing was rebuilt
        assert len(images(engine, f"localhost/buildr/{site.name}")) == 2
    finally:
        other_site.remove()


def test_a_project_with_any_path_runs(odd_site: Site) -> None:
    script = """my "ä$p'p" .py"""
    options = f"(package={{'name': {odd_site.name!r}}})"
    odd_site.write({script: SAY.format(options=options, text="hello")})
    done = odd_site.run(script, "a b", "$c", "")
    assert (done.returncode, done.stdout.decode()) == (4, "hello a b $c \n"), done.stderr.decode()
