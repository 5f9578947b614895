"""Failures: one clear message, status 125, nothing left behind, and unchanged files."""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.harness import give, project_directory
from tests.engine.images import SCRIPT, Site, nothing_left, site, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.engine.harness import Engine, Registries

SYSTEM_PODMAN = "/run/podman/podman.sock"


def assert_failed(done: subprocess.CompletedProcess[bytes], *said: str) -> None:
    """Check that a run failed with exactly one error that contains these texts."""
    text = done.stderr.decode()
    assert done.returncode == 125, text
    assert done.stdout == b""
    assert "Traceback" not in text
    assert text.count("buildr: error: ") == 1, text
    for words in said:
        assert words in text


@contextlib.contextmanager
def untouched(directory: Path) -> Iterator[None]:
    """Check that no file changes."""
    before = snapshot(directory)
    yield
    assert snapshot(directory) == before


# Options ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "runtime", "said"),
    [
        ({"colour": "red"}, {}, "package.colour is not an option"),
        ({"py_versoin": "3.12"}, {}, "did you mean 'py_version'?"),
        ({}, {"port": [80]}, "did you mean 'ports'?"),
        ({"publish": "yes"}, {}, "package.publish cannot be 'yes'"),
        ({"publish": True}, {}, "package.publish needs package.repository"),
        ({"name": "Hello World"}, {}, "package.name cannot be 'Hello World'"),
        ({"name": "-rf"}, {}, "package.name cannot be '-rf'"),
        ({"repository": "no registry"}, {}, "package.repository cannot be 'no registry'"),
        ({"tag": "a tag"}, {}, "package.tag cannot be 'a tag'"),
        ({"base_image": "a:b:c"}, {}, "package.base_image cannot be 'a:b:c'"),
        ({"py_version": "2.7"}, {}, "package.py_version cannot be '2.7'"),
        ({"py_version": 3.1}, {}, "package.py_version cannot be 3.1"),
        ({"additional_files": [{"src": "a"}]}, {}, "package.additional_files[0]"),
        ({"additional_files": [{"src": "a", "dest": "/../a"}]}, {}, "additional_files[0].dest"),
        ({}, {"ports": [65536]}, "runtime.ports[0] cannot be 65536"),
        ({}, {"ports": ["http"]}, "runtime.ports[0] cannot be 'http'"),
        ({}, {"mounts": ["nowhere"]}, "runtime.mounts[0] cannot be 'nowhere'"),
        ({}, {"mounts": ["./data:data"]}, "runtime.mounts[0]"),
        ({}, {"memory": "much"}, "runtime.memory cannot be 'much'"),
        ({}, {"memory": -1}, "runtime.memory cannot be -1"),
        ({}, {"cpus": 0}, "runtime.cpus cannot be 0"),
        ({}, {"env": {"BUILDR_IN_CONTAINER": "0"}}, "runtime.env cannot be"),
        ({"base_image": "python\nRUN id"}, {}, r"package.base_image cannot be 'python\nRUN id'"),
        ({"name": "a\x1b[31m"}, {}, r"package.name cannot be 'a\x1b[31m'"),
        ({"tag": "latest\n"}, {}, r"package.tag cannot be 'latest\n'"),
        ({"py_version": "3\n"}, {}, r"package.py_version cannot be '3\n'"),
        ({"user": "root\nRUN id"}, {}, r"package.user cannot be 'root\nRUN id'"),
        ({"variant": "slim\r"}, {}, r"package.variant cannot be 'slim\r'"),
        ({"additional_files": [{"src": "a", "dest": "/a\nRUN id"}]}, {}, r"'/a\nRUN id'"),
        ({}, {"env": {"A\nB": ""}}, r"runtime.env cannot be 'A\nB'"),
    ],
)
def test_an_invalid_option_is_reported_before_an_engine_is_contacted(
    tmp_path: Path, package: Mapping[str, Any], runtime: Mapping[str, Any], said: str
) -> None:
    text = SCRIPT.format(imports="", package=package, runtime=runtime, body="    print('ran')")
    (tmp_path / "app.py").write_text(text)
    (tmp_path / "a").touch()
    with untouched(tmp_path):
        done = alone(tmp_path, "app.py")
    assert_failed(done, said, "\naccepted")


@pytest.mark.parametrize(
    ("group", "said"),
    [("'hello'", "package cannot be 'hello'"), ("['name']", "package cannot be ['name']")],
)
def test_options_that_are_not_a_dict_are_refused(tmp_path: Path, group: str, said: str) -> None:
    (tmp_path / "app.py").write_text(
        f"from buildr import Containerize\n@Containerize(package={group})\ndef main(): print('ran')\nmain()\n"
    )
    assert_failed(alone(tmp_path, "app.py"), said, "accepted: a dict of options")


def alone(
    cwd: Path, *words: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run Python without any reachable engine."""
    nowhere = f"unix://{cwd}/no.sock"
    kept = {k: v for k, v in os.environ.items() if k.startswith(("COVERAGE_", "PYTHONPATH"))}
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={
            **kept,
            "PATH": str(cwd),
            "HOME": "/nonexistent",
            "XDG_RUNTIME_DIR": str(cwd),
            "CONTAINER_HOST": nowhere,
            "DOCKER_HOST": nowhere,
            **(env or {}),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )


# The context --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _clean(engine: Engine) -> Iterator[None]:
    yield from nothing_left(engine)


@pytest.fixture
def own(engine: Engine, _clean: None) -> Iterator[Site]:
    yield from site(engine)


PLAIN = SCRIPT.format(imports="", package={}, runtime={}, body="    print('ran')")


@pytest.mark.parametrize("depth", [0, 1])
def test_the_home_directory_and_its_parents_are_not_a_context(tmp_path: Path, depth: int) -> None:
    (tmp_path / "app.py").write_text(PLAIN)
    home = tmp_path / "me" if depth else tmp_path
    home.mkdir(exist_ok=True)
    with untouched(tmp_path):
        done = alone(tmp_path, "app.py", env={"HOME": str(home)})
    assert_failed(done, f"{tmp_path} would be sent to the build as a whole", "--context")


def test_links_out_of_the_context_are_sent_as_links_or_left_out(own: Site) -> None:
    own.script("import os; print(os.readlink('sub/absolute'), os.path.lexists('sub/climbing'))")
    (own.directory / "sub").mkdir()
    (own.directory / "sub" / "absolute").symlink_to("/nix/store/result")
    (own.directory / "sub" / "climbing").symlink_to("../../outside")
    own.own()
    with untouched(own.directory):
        done = own.run()
    assert done.stdout == b"/nix/store/result False\n"
    said = b"sent as links, without what they lead to: sub/absolute; left out: sub/climbing\n"
    assert said in done.stderr


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("../outside", "../outside leads out of the context"),
        ("link", "link leads out of the context"),
        ("absent.json", "absent.json is not there"),
        ("/dev/null", "/dev/null is neither a file nor a directory"),
    ],
)
def test_an_invalid_additional_file_is_refused(tmp_path: Path, source: str, said: str) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    (tmp_path / "outside").write_text("not of the project")
    (directory / "link").symlink_to("../outside")
    package = {"additional_files": [{"src": source, "dest": "/srv/file"}]}
    text = SCRIPT.format(imports="", package=package, runtime={}, body="    print('ran')")
    (directory / "app.py").write_text(text)
    with untouched(directory):
        done = alone(directory, "app.py")
    assert_failed(done, f"the additional file {said}")


def test_a_link_out_of_an_additional_directory_is_left_out(own: Site) -> None:
    own.write({"more/file": ""})
    (own.directory / "more" / "out").symlink_to("../../outside")
    own.write({".containerignore": "more\n"})
    package = {"additional_files": [{"src": "more", "dest": "/srv/more"}]}
    own.script("print('ran')", package=package)
    with untouched(own.directory):
        done = own.run()
    assert done.stdout == b"ran\n"
    assert b"/more/out is a symbolic link out of the context\n" in done.stderr


@pytest.mark.parametrize("name", ["notes.txt", "sub"])
def test_a_file_or_folder_that_cannot_be_read_is_named(rootless_podman: Engine, name: str) -> None:
    """As a plain user only, since root can read everything."""
    if rootless_podman.uid == 0:
        pytest.skip("root can read everything")
    for own in site(rootless_podman):
        own.script("print('ran')")
        own.write({"notes.txt": "", "sub/file": ""})
        before = snapshot(own.directory)
        mode = (own.directory / name).stat().st_mode
        (own.directory / name).chmod(0)
        done = own.run()
        assert_failed(done, f"{name} in the context {own.directory} cannot be read", "chmod u+rX")
        (own.directory / name).chmod(mode)
        assert snapshot(own.directory) == before


# Builds -------------------------------------------------------------------------------------------


def test_a_nonexistent_requirement_fails_with_the_message_of_pip(own: Site) -> None:
    own.script("print('ran')")
    own.write({"requirements.txt": "--no-index\nno-such-distribution==99.99\n"})
    with untouched(own.directory):
        done = own.run()
    assert_failed(done, "No matching distribution found for no-such-distribution==99.99")
    assert own.images() == []


def test_a_step_of_the_own_containerfile_that_fails_is_named_with_its_output(own: Site) -> None:
    own.write(
        {"Dockerfile": f"FROM {own.engine.base_image}\nRUN echo the reason is this >&2; exit 7\n"}
    )
    own.script("print('ran')", package={"dockerfile": "Dockerfile"})
    with untouched(own.directory):
        done = own.run()
    assert_failed(done, "exit 7", "the reason is this")
    assert own.images() == []


@pytest.mark.parametrize("own_dockerfile", [False, True])
def test_a_base_image_that_cannot_be_pulled_is_named(
    own: Site, registries: Registries, *, own_dockerfile: bool
) -> None:
    missing = f"{registries.open}/no-such-image:1"
    own.write({"Dockerfile": f"FROM {missing}\n"})
    package = {"dockerfile": "Dockerfile"} if own_dockerfile else {"base_image": missing}
    own.script("print('ran')", package=package)
    with untouched(own.directory):
        done = own.run(env={"BUILDR_BASE_IMAGE": ""})
    assert_failed(done, f"{missing} cannot be pulled", "not stored here", "package.base_image")


def test_a_base_image_of_an_unreachable_registry_is_named(own: Site) -> None:
    missing = f"127.0.0.1:{closed_port()}/base:1"
    own.script("print('ran')", package={"base_image": missing})
    with untouched(own.directory):
        done = own.run(env={"BUILDR_BASE_IMAGE": ""})
    assert_failed(done, f"{missing} cannot be pulled", "not stored here", "refused")


def closed_port() -> int:
    """Return a loopback port without a listener."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


# Engines ------------------------------------------------------------------------------------------


@pytest.fixture
def bare(rootless_podman: Engine) -> Iterator[Path]:
    """A script of a plain user, in its own directory."""
    for directory in project_directory(rootless_podman):
        (directory / "app.py").write_text(PLAIN)
        for name in ("home", "runtime", "bin"):
            (directory.parent / name).mkdir(mode=0o700)
            give(rootless_podman, directory.parent / name)
        give(rootless_podman, directory)
        yield directory


def with_nothing(bare: Path, *settings: str) -> Sequence[str]:
    """Return a command that runs the script without `podman` on PATH and without a user socket."""
    top = bare.parent
    settings = (f"HOME={top}/home", f"XDG_RUNTIME_DIR={top}/runtime", f"PATH={top}/bin", *settings)
    unset = ("-u", "DOCKER_HOST", "-u", "CONTAINER_HOST")
    return ("/usr/bin/env", *unset, *settings, sys.executable, "app.py")


def test_without_any_engine_both_are_named(rootless_podman: Engine, bare: Path) -> None:
    with untouched(bare):
        done = rootless_podman.run(*with_nothing(bare, "BUILDR_BACKEND=auto"), cwd=bare)
    assert_failed(
        done,
        "no container engine can be used",
        "podman: Podman is not installed",
        "docker: ",
        "apt-get install podman",
    )


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("podman", "Podman is not installed"),
        ("docker", "Docker"),
        ("buildah", "no backend 'buildah'"),
    ],
)
def test_a_named_backend_that_is_absent_is_never_replaced(
    rootless_podman: Engine, bare: Path, backend: str, said: str
) -> None:
    with engine_that_answers(bare.parent / "other.sock", {"Api-Version": "1.41"}) as (url, asked):
        if backend == "podman":
            other = f"DOCKER_HOST={url}"
        else:  # Podman is available to the user
            other = f"PATH={rootless_podman.environ['PATH']}"
        words = with_nothing(bare, f"BUILDR_BACKEND={backend}", other)
        with untouched(bare):
            done = rootless_podman.run(*words, cwd=bare)
    assert_failed(done, said)
    assert "no container engine" not in done.stderr.decode()
    assert asked == []


def test_engines_that_do_not_answer_are_an_error(rootless_podman: Engine, bare: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        path = str(bare.parent / "silent.sock")
        silent.bind(path)
        os.chmod(path, 0o666)  # noqa: S103 - its user is not that of the tests
        silent.listen()  # and never accepts
        variables = {"podman": "CONTAINER_HOST", "docker": "DOCKER_HOST"}
        started = {
            backend: rootless_podman.popen(
                *with_nothing(
                    bare,
                    f"BUILDR_BACKEND={backend}",
                    f"{variable}=unix://{path}",
                ),
                cwd=bare,
            )
            for backend, variable in variables.items()
        }
        for process in started.values():
            try:
                stdout, stderr = process.communicate(timeout=30)
            finally:
                process.kill()
            done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
            assert_failed(done, path, "does not answer")


@pytest.mark.parametrize(
    ("backend", "headers", "said"),
    [
        (
            "podman",
            {"Libpod-Api-Version": "3.4.4", "Api-Version": "1.40"},
            ("Podman 3.4.4", "is too old", "Podman 4.0 or newer"),
        ),
        (
            "docker",
            {"Server": "Docker/19.03.15 (linux)", "Api-Version": "1.40"},
            ("Docker 19.03.15", "is too old", "Docker 20.10 or newer"),
        ),
    ],
)
def test_an_engine_that_is_too_old_is_refused(
    rootless_podman: Engine,
    bare: Path,
    backend: str,
    headers: Mapping[str, str],
    said: Sequence[str],
) -> None:
    with engine_that_answers(bare.parent / "old.sock", headers) as (url, asked):
        variable = {"podman": "CONTAINER_HOST", "docker": "DOCKER_HOST"}[backend]
        words = with_nothing(bare, f"BUILDR_BACKEND={backend}", f"{variable}={url}")
        with untouched(bare):
            done = rootless_podman.run(*words, cwd=bare)
    assert_failed(done, *said, url)
    assert [request.rpartition("/")[2] for request in asked] == ["_ping"]


def test_auto_falls_back_to_docker_with_one_line_if_podman_is_absent(docker: Engine) -> None:
    if os.path.exists(SYSTEM_PODMAN):
        pytest.skip(f"Podman listens on {SYSTEM_PODMAN}, so it is not absent")
    for own in site(docker):
        own.script("print('ran')")
        top = own.directory.parent
        settings = (f"PATH={top}", f"HOME={top}", f"XDG_RUNTIME_DIR={top}", "BUILDR_BACKEND=auto")
        words = ("/usr/bin/env", "-u", "CONTAINER_HOST", *settings, sys.executable, "app.py")
        own.run()  # so that nothing needs to be built
        done = docker.run(*words, cwd=own.directory)
        assert (done.returncode, done.stdout) == (0, b"ran\n"), done.stderr.decode()
        lines = done.stderr.decode().splitlines()
        assert len(lines) == 1
        assert lines[0].startswith(
            "buildr: using docker, since podman is not usable here: Podman is not installed"
        )


@contextlib.contextmanager
def engine_that_answers(path: Path, headers: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Serve a fake engine; yield its URL and the received requests."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"GET {self.path}")
            self.send_response_only(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"OK")

        do_POST = do_GET  # noqa: N815 - the name is defined by the base class

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        path.chmod(0o666)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"unix://{path}", asked
        finally:
            server.shutdown()
            thread.join()
