"""`buildr.testing`: what users test their scripts with."""

from __future__ import annotations

import doctest
import io
import signal
import subprocess
import sys
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest

import buildr.testing
from buildr.engines import registry
from buildr.engines.container_spec import ContainerSpec, Port
from buildr.engines.records import BuildRequest, Event, PushRequest, Target
from buildr.engines.streams import STDERR, STDOUT
from buildr.errors import (
    BuildError,
    ContainerError,
    EngineError,
    EngineLostError,
    EngineNotFoundError,
    EngineUnavailableError,
    ImageNotFoundError,
)
from buildr.testing import FakeBackend, FakeContainer, GuestEnded, run_script, using

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from buildr.engines.protocol import Backend
    from buildr.engines.streams import Attachment
    from buildr.testing import Guest

SCRIPT = """\
from buildr import Containerize

@Containerize
def main():
    print("the guest's part")

if __name__ == "__main__":
    main()
"""


def ignore(_event: Event) -> None:
    pass


def context(files: Mapping[str, bytes]) -> list[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o640
            tar.addfile(member, io.BytesIO(data))
    return [buffer.getvalue()]


def build_request(text: str, *, cache: bool = True, **labels: str) -> BuildRequest:
    return BuildRequest(
        context=context({"Containerfile": text.encode()}),
        containerfile="Containerfile",
        labels=labels,
        tags=("localhost/app:1",),
        cache=cache,
    )


def started(guest: Guest, **spec: object) -> tuple[FakeBackend, FakeContainer, Attachment]:
    """Return a backend with one container that runs, attached to from its start."""
    backend = FakeBackend(guest)
    image = backend.add_image("base")
    identity = backend.create(ContainerSpec(image=image.id, **spec))  # type: ignore[arg-type] # each test's own fields
    attachment = backend.attach(identity, tty=False)
    backend.start(identity)
    return backend, backend.runs[0], attachment


def everything(attachment: Attachment) -> dict[int, bytes]:
    found = {STDOUT: b"", STDERR: b""}
    while pieces := attachment.read():
        for stream, data in pieces:
            found[stream] += data
    return found


# The documentation -----------------------------------------------------------------------------------


def test_the_examples_of_the_documentation_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "greet.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    result = doctest.testmod(buildr.testing, optionflags=doctest.ELLIPSIS)
    sys.modules.pop("greet")
    assert result.failed == 0
    assert result.attempted > 0


def test_importing_it_needs_neither_pytest_nor_an_engine_s_client() -> None:
    code = "import sys, buildr.testing; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pytest", "docker", "podman", "buildr_backends"} & set(loaded)


def test_everything_public_is_exported() -> None:
    assert sorted(buildr.testing.__all__) == buildr.testing.__all__
    assert all(hasattr(buildr.testing, name) for name in buildr.testing.__all__)


def test_the_fake_is_a_backend() -> None:
    backend: Backend = FakeBackend(name="mine", rootless=False, remote=True)
    assert (backend.info.backend, backend.info.rootless, backend.info.remote) == (
        "mine",
        False,
        True,
    )


# Images -----------------------------------------------------------------------------------------------


def test_a_pulled_image_is_stored_by_id_and_by_name() -> None:
    backend = FakeBackend()
    assert backend.image("docker.io/library/python:3") is None

    image = backend.pull("docker.io/library/python:3", ignore)

    assert backend.pulled == ["docker.io/library/python:3"]
    assert backend.image("docker.io/library/python:3") == image
    assert backend.image(image.id) == image
    assert backend.image(image.id.removeprefix("sha256:")) == image


def test_a_name_without_a_tag_means_latest() -> None:
    backend = FakeBackend()
    image = backend.add_image("localhost:5000/app")
    assert backend.image("localhost:5000/app:latest") == image


def test_a_short_name_means_docker_hub() -> None:
    backend = FakeBackend()
    image = backend.add_image("docker.io/library/python:3")
    assert backend.image("python:3") == image
    assert backend.image("python:4") is None


def test_a_build_can_be_read_back() -> None:
    backend = FakeBackend()
    request = BuildRequest(
        context=context({"Containerfile": b"FROM scratch\n", "context/a b.py": b"print()\n"}),
        containerfile="Containerfile",
        labels={"a": "1"},
    )

    backend.build(request, ignore)

    build = backend.builds[0]
    assert build.containerfile == "FROM scratch\n"
    assert build.files["context/a b.py"].data == b"print()\n"
    assert build.files["context/a b.py"].mode == 0o640
    assert build.labels == {"a": "1"}


def test_a_build_has_the_configuration_of_its_containerfile() -> None:
    backend = FakeBackend()
    backend.add_image("python:3")
    text = """\
# a comment
FROM python:3 AS first
ENV A="1 2" \\
    B=3
LABEL l=1
FROM first
ENTRYPOINT ["init"]
CMD ["python", "app.py"]
USER 1000:0
WORKDIR /app
"""
    image = backend.image(backend.build(build_request(text, own="2"), ignore))

    assert image is not None
    assert image.entrypoint == ("init",)
    assert image.command == ("python", "app.py")
    assert image.environment == ("LANG=C.UTF-8", "A=1 2", "B=3")
    assert image.labels == {"l": "1", "own": "2"}
    assert (image.user, image.workdir, image.tags) == ("1000:0", "/app", ("localhost/app:1",))


def test_variables_are_expanded() -> None:
    backend = FakeBackend()
    text = """\
FROM scratch
ENV A=1 B=2
ENV C="$A-${B}" D="${A:+${A}:}x" E="${Z:+${Z}:}x" F="${Z:-${B}}" G="${A:-3}"
"""
    image = backend.image(backend.build(build_request(text), ignore))
    assert image is not None
    assert image.environment == ("A=1", "B=2", "C=1-2", "D=1:x", "E=x", "F=2", "G=1")


def test_labels_of_the_base_are_kept() -> None:
    backend = FakeBackend()
    base = backend.build(build_request("FROM scratch\nLABEL a=1 b=1\n"), ignore)
    image = backend.image(backend.build(build_request(f"FROM {base}\nLABEL b=2\n"), ignore))
    assert image is not None
    assert image.labels == {"a": "1", "b": "2"}


def test_a_shell_form_runs_in_a_shell() -> None:
    backend = FakeBackend()
    image = backend.image(backend.build(build_request("FROM scratch\nCMD run me\n"), ignore))
    assert image is not None
    assert image.command == ("/bin/sh", "-c", "run me")


def test_a_build_reports_its_steps() -> None:
    events: list[Event] = []
    FakeBackend().build(build_request("FROM scratch\nUSER 1\n"), events.append)
    assert [(event.current, event.total, event.text) for event in events] == [
        (1, 2, "FROM scratch"),
        (2, 2, "USER 1"),
    ]


def test_a_build_never_pulls() -> None:
    with pytest.raises(BuildError, match="python:3: the base image is not stored"):
        FakeBackend().build(build_request("FROM python:3\n"), ignore)


def test_a_context_without_the_containerfile_is_refused() -> None:
    request = BuildRequest(context=context({}), containerfile="Containerfile", labels={})
    with pytest.raises(BuildError, match="does not hold Containerfile"):
        FakeBackend().build(request, ignore)


def test_a_context_that_is_not_an_archive_is_refused() -> None:
    request = BuildRequest(context=[b"x" * 2000], containerfile="Containerfile", labels={})
    with pytest.raises(BuildError, match="not a tar archive"):
        FakeBackend().build(request, ignore)


def test_the_same_build_gives_the_same_image_unless_no_cache_is_used() -> None:
    backend = FakeBackend()
    first = backend.build(build_request("FROM scratch\n"), ignore)
    assert backend.build(build_request("FROM scratch\n"), ignore) == first
    assert backend.build(build_request("FROM scratch\n", cache=False), ignore) != first


def test_a_name_moves_to_the_newest_image() -> None:
    backend = FakeBackend()
    old = backend.build(build_request("FROM scratch\n", v="1"), ignore)
    new = backend.build(build_request("FROM scratch\n", v="2"), ignore)

    listed = backend.images({"v": ""})

    assert [(row.id, row.tags) for row in listed] == [(new, ("localhost/app:1",)), (old, ())]
    assert [row.id for row in backend.images({"v": "1"})] == [old]


def test_an_image_is_removed_with_its_last_name() -> None:
    backend = FakeBackend()
    image = backend.add_image("a:1")
    backend.tag(image.id, "b:1")

    with pytest.raises(EngineError, match="several names"):
        backend.remove_image(image.id)
    backend.remove_image("a:1")
    assert backend.image("b:1") is not None
    backend.remove_image("b:1")

    assert backend.image(image.id) is None
    backend.remove_image("b:1")  # an absent one is fine


def test_an_image_in_use_is_not_removed() -> None:
    backend, container, _ = started(lambda container: container.signals.wait())
    with pytest.raises(EngineError, match="a container uses the image"):
        backend.remove_image(container.spec.image)
    backend.remove(container.id)
    backend.remove_image(container.spec.image)


def test_a_push_is_recorded() -> None:
    backend = FakeBackend()
    image = backend.add_image("a:1")
    request = PushRequest(image=image.id, reference="registry.example.org/a:1")
    assert backend.push(request, ignore).startswith("sha256:")
    assert backend.pushed == [request]


def test_a_missing_image_cannot_be_tagged() -> None:
    with pytest.raises(EngineError, match="no such image: a:1"):
        FakeBackend().tag("a:1", "b:1")


def test_a_saved_image_is_an_archive_with_its_configuration() -> None:
    backend = FakeBackend()
    backend.add_image("a:1")
    with tarfile.open(fileobj=io.BytesIO(b"".join(backend.save("a:1")))) as tar:
        assert "manifest.json" in tar.getnames()


# Containers -------------------------------------------------------------------------------------------


def test_a_guest_has_its_streams_and_its_status() -> None:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(container.stdin.readline().upper())
        container.stderr.write(container.stdin.read())
        return 3

    backend, container, attachment = started(guest)
    attachment.write(b"one\ntw")
    attachment.write(memoryview(b"o"))
    attachment.close_write()

    assert everything(attachment) == {STDOUT: b"ONE\n", STDERR: b"two"}
    assert backend.wait(container.id) == 3


def test_with_a_terminal_there_is_one_output() -> None:
    def guest(container: FakeContainer) -> None:
        container.stdout.write(b"a")
        container.stderr.write(b"b")

    _, _, attachment = started(guest, tty=True)
    assert everything(attachment) == {STDOUT: b"ab", STDERR: b""}


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (SystemExit(), 0),
        (SystemExit(None), 0),
        (SystemExit(7), 7),
        (SystemExit("text"), 1),
        (SystemExit(-1), 255),
        (ValueError("broken"), 1),
    ],
)
def test_a_guest_may_end_as_a_script_does(end: BaseException, status: int) -> None:
    def guest(_container: FakeContainer) -> int:
        raise end

    backend, container, _ = started(guest)
    assert backend.wait(container.id) == status


def test_an_exception_of_a_guest_is_kept_and_its_traceback_goes_to_stderr() -> None:
    def guest(_container: FakeContainer) -> int:
        raise ValueError("broken")

    _, container, attachment = started(guest)
    assert everything(attachment)[STDERR].endswith(b"ValueError: broken\n")
    assert isinstance(container.error, ValueError)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGKILL])
def test_a_signal_ends_a_guest_without_a_handler(number: int) -> None:
    backend, container, _ = started(lambda container: len(container.stdin.read()))
    backend.kill(container.id, number)
    assert backend.wait(container.id) == 128 + number


def test_a_guest_may_catch_and_ignore_signals() -> None:
    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGTERM)
        container.signals.ignore(signal.SIGINT)
        container.stdout.write(b"ready")
        return container.signals.wait()

    backend, container, attachment = started(guest)
    attachment.read()
    for number in (signal.SIGINT, signal.SIGWINCH, signal.SIGTERM):
        backend.kill(container.id, number)

    assert backend.wait(container.id) == signal.SIGTERM
    assert container.signals.received == [signal.SIGINT, signal.SIGWINCH, signal.SIGTERM]


def test_sigkill_cannot_be_caught() -> None:
    ended: list[bool] = []
    done = threading.Event()

    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGKILL)
        container.stdout.write(b"ready")
        try:
            return container.signals.wait()
        except GuestEnded:
            ended.append(True)
            raise
        finally:
            done.set()

    backend, container, attachment = started(guest)
    attachment.read()
    backend.kill(container.id, signal.SIGKILL)

    assert backend.wait(container.id) == 137
    assert done.wait(10)
    assert ended


@pytest.mark.parametrize(
    "use",
    [
        lambda container: container.stdin.read(),
        lambda container: container.signals.wait(),
        lambda container: container.stdout.write(b"more"),
    ],
)
def test_the_next_operation_of_a_killed_guest_ends_its_thread(
    use: Callable[[FakeContainer], object],
) -> None:
    backend, container, _ = started(lambda container: container.signals.wait())
    backend.kill(container.id, signal.SIGKILL)
    with pytest.raises(GuestEnded):
        use(container)


def test_waiting_for_a_signal_may_have_a_timeout() -> None:
    _, container, _ = started(lambda container: len(container.stdin.read()))
    with pytest.raises(TimeoutError):
        container.signals.wait(0)


def test_a_terminal_has_the_size_that_was_set() -> None:
    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGWINCH)
        container.stdout.write(b"ready")
        return container.signals.wait()

    backend, container, attachment = started(guest, tty=True)
    attachment.read()
    backend.resize(container.id, rows=24, columns=80)

    assert backend.wait(container.id) == signal.SIGWINCH
    assert container.terminal_size == (24, 80)


def test_a_container_has_processes_while_it_runs() -> None:
    backend, container, attachment = started(lambda container: len(container.stdin.read()))
    assert backend.processes(container.id) == 2
    attachment.close_write()
    backend.wait(container.id)
    assert backend.processes(container.id) == 0
    assert backend.processes("gone") == 0


def test_a_state_follows_the_life_of_a_container() -> None:
    backend = FakeBackend(lambda container: len(container.stdin.read()))
    image = backend.add_image("base")
    port = Port(host_ip="127.0.0.1", host=0, container=80)
    identity = backend.create(ContainerSpec(image=image.id, labels={"a": "1"}, ports=(port,)))

    created = backend.state(identity)
    backend.start(identity)
    running = backend.state(identity)
    backend.attach(identity, tty=False).close_write()
    backend.wait(identity)
    exited = backend.state(identity)
    backend.remove(identity)
    removed = backend.state(identity)

    assert created is not None
    assert running is not None
    assert exited is not None
    assert (created.status, created.exit_code) == ("created", None)
    assert (running.status, running.exit_code, running.running) == ("running", None, True)
    assert (exited.status, exited.exit_code, exited.running) == ("exited", 0, False)
    assert running.ports[0].host > 0
    assert removed is None
    assert backend.runs[0].removed


def test_containers_are_listed_by_label() -> None:
    backend = FakeBackend()
    image = backend.add_image("base").id
    one = backend.create(ContainerSpec(image=image, labels={"a": "1"}))
    backend.create(ContainerSpec(image=image, labels={"b": "1"}))
    assert [state.id for state in backend.containers({"a": ""})] == [one]
    assert backend.containers({"a": "2"}) == []


def test_names_of_containers_are_unique() -> None:
    backend = FakeBackend()
    image = backend.add_image("base").id
    backend.create(ContainerSpec(image=image, name="one"))
    with pytest.raises(ContainerError, match="the name one is taken"):
        backend.create(ContainerSpec(image=image, name="one"))


def test_a_container_needs_a_stored_image() -> None:
    with pytest.raises(ImageNotFoundError, match="gone is no longer stored"):
        FakeBackend().create(ContainerSpec(image="gone"))


def test_a_container_has_its_images_command_and_variables() -> None:
    _, container, _ = started(lambda _container: 0, environment={"A": "1"})
    assert container.argv == ("python3",)
    assert container.environment == {"LANG": "C.UTF-8", "A": "1"}


def test_waiting_before_the_start_returns_0_immediately() -> None:
    backend = FakeBackend()
    identity = backend.create(ContainerSpec(image=backend.add_image("base").id))
    assert backend.wait(identity) == 0


def test_a_removed_container_can_be_killed_resized_and_removed() -> None:
    backend = FakeBackend()
    backend.kill("gone", signal.SIGTERM)
    backend.resize("gone", rows=1, columns=1)
    backend.remove("gone")


def test_a_removed_container_cannot_be_started() -> None:
    with pytest.raises(EngineError, match="no such container: gone"):
        FakeBackend().start("gone")


def test_archives_are_copied_in_and_out() -> None:
    backend, container, _ = started(lambda container: container.signals.wait())
    backend.put_archive(
        container.id, "/run/call", b"".join(context({"a/in": b"in", "a/too": b"too"}))
    )
    assert container.files["/run/call/a/in"] == b"in"
    container.files["/out"] = b"out"

    def names(path: str) -> list[str]:
        data = b"".join(backend.get_archive(container.id, path))
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            return tar.getnames()

    assert names("/out") == ["out"]
    assert names("/run/call/a/") == ["a/in", "a/too"]
    with pytest.raises(EngineError, match="no such path: /nothing"):
        backend.get_archive(container.id, "/nothing")
    backend.remove(container.id)


def test_logs_have_the_output_so_far() -> None:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(b"one")
        container.stderr.write(b"two")
        container.signals.catch(signal.SIGTERM)
        container.stdout.write(b"three")
        return container.signals.wait()

    backend, container, attachment = started(guest)
    seen = b""
    while b"three" not in seen:
        seen += b"".join(data for _, data in attachment.read())

    logs = backend.logs(container.id)
    assert everything(logs) == {STDOUT: b"onethree", STDERR: b"two"}
    follow = backend.logs(container.id, follow=True)
    backend.kill(container.id, signal.SIGTERM)
    assert everything(follow) == {STDOUT: b"onethree", STDERR: b"two"}


def test_a_cut_breaks_the_streams_after_the_written_output() -> None:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(b"partial")
        container.cut("the engine went away")
        return container.signals.wait()

    backend, container, attachment = started(guest)
    assert everything_until_loss(attachment) == b"partial"
    with pytest.raises(EngineLostError):
        attachment.write(b"more")
    backend.remove(container.id)


def everything_until_loss(attachment: Attachment) -> bytes:
    seen = b""
    while True:
        try:
            pieces = attachment.read()
        except EngineLostError:
            return seen
        assert pieces
        seen += b"".join(data for _, data in pieces)


def test_closing_ends_a_read_in_another_thread() -> None:
    backend, container, attachment = started(lambda container: container.signals.wait())
    read: list[object] = []
    thread = threading.Thread(target=lambda: read.append(attachment.read()))
    thread.start()
    attachment.close()
    attachment.close()
    thread.join()
    assert read == [()]
    with pytest.raises(EngineLostError):
        attachment.write(b"late")
    backend.remove(container.id)


# Faults -----------------------------------------------------------------------------------------------


def test_a_fault_happens_the_requested_number_of_times() -> None:
    backend = FakeBackend()
    backend.fail("pull", ImageNotFoundError("not there"), times=2)
    for _ in range(2):
        with pytest.raises(ImageNotFoundError, match="not there"):
            backend.pull("a:1", ignore)
    backend.pull("a:1", ignore)


def test_a_fault_may_be_permanent() -> None:
    backend = FakeBackend()
    backend.fail("ping", EngineLostError("gone"), times=None)
    for _ in range(3):
        with pytest.raises(EngineLostError, match="gone"):
            backend.ping()


def test_a_fault_leaves_other_operations_alone() -> None:
    backend = FakeBackend()
    backend.fail("ping", EngineLostError("gone"))
    backend.details()
    assert backend.operations == ["details"]


# Use --------------------------------------------------------------------------------------------------


def say(_text: str) -> None:
    pass


def test_one_backend_replaces_all() -> None:
    with using(FakeBackend()) as backend:
        for name in ("auto", "podman", "docker", "whatever"):
            assert registry.connect(registry.Choice(name=name, origin="test"), say) is backend


def test_backends_by_name_take_part_in_the_choice() -> None:
    docker = FakeBackend(name="docker")
    reported: list[str] = []
    with using({"podman": EngineUnavailableError("it sleeps"), "docker": docker}):
        assert registry.connect(registry.choose(), reported.append) is docker
    assert reported == ["using docker, since podman is not usable here: it sleeps"]


def test_an_unlisted_name_is_not_installed() -> None:
    choice = registry.Choice(name="docker", origin="test")
    with (
        using({"podman": FakeBackend()}),
        pytest.raises(EngineNotFoundError, match="no backend 'docker'"),
    ):
        registry.connect(choice, say)


def test_engines_are_restored_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "true")
    with using(FakeBackend()):
        pass
    assert registry.substitute is None
    import os

    assert os.environ["BUILDR_IN_CONTAINER"] == "true"


def test_uses_can_be_nested() -> None:
    choice = registry.Choice(name="auto", origin="test")
    with using(FakeBackend()) as outer:
        with using(FakeBackend()) as inner:
            assert registry.load(choice)(Target()) is inner
        assert registry.load(choice)(Target()) is outer


# Scripts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "stderr"),
    [
        ("", 0, b""),
        ("import sys; sys.exit()", 0, b""),
        ("import sys; sys.exit(258)", 2, b""),
        ("import sys; sys.exit('text')", 1, b"text\n"),
        ("raise ValueError('broken')", 1, b"ValueError: broken\n"),
    ],
)
def test_a_script_ends_as_in_python(tmp_path: Path, code: str, status: int, stderr: bytes) -> None:
    (tmp_path / "app.py").write_text(code)
    result = run_script(tmp_path / "app.py")
    assert result.status == status
    assert result.stderr.endswith(stderr)


def test_a_script_has_its_own_streams_and_arguments(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os, sys\n"
        "print(sys.stdin.read(), sys.argv[1:], __name__)\n"
        "print('error', file=sys.stderr)\n"
        "sys.stdout.flush()\n"
        "os.write(1, b'raw')\n"
    )
    result = run_script(str(tmp_path / "app.py"), "-x", "a b", stdin=b"input")
    assert result.stdout == b"input ['-x', 'a b'] __main__\nraw"
    assert result.stderr == b"error\n"


def test_scripts_find_the_modules_beside_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "helper.py").write_text(f"NAME = {name!r}\n")
        (tmp_path / name / "app.py").write_text("import helper; print(helper.NAME)\n")
    outputs = [run_script(tmp_path / name / "app.py").stdout for name in ("one", "two")]
    assert outputs == [b"one\n", b"two\n"]
    assert "helper" not in sys.modules


def test_a_script_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import sys; sys.argv.append('x'); sys.path.clear()\n")
    before = (sys.argv[:], sys.path[:], sys.stdin, sys.stdout, sys.stderr)
    run_script(tmp_path / "app.py")
    assert before == (sys.argv[:], sys.path[:], sys.stdin, sys.stdout, sys.stderr)


def test_a_missing_script_is_an_error_of_the_test(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no script"):
        run_script(tmp_path / "gone.py")


def test_a_directory_with_a_main_is_a_script(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text(SCRIPT)
    with using(FakeBackend(lambda container: len(container.argv))) as backend:
        assert run_script(tmp_path / "app").status == 3
    assert backend.runs[0].argv == ("python", "-u", "/app")


def test_an_engine_s_failure_is_reported_like_to_a_user(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SCRIPT)
    backend = FakeBackend()
    backend.fail("create", ContainerError("no room", hint="Make some."))
    with using(backend):
        result = run_script(tmp_path / "app.py")
    assert result.status == 125
    assert result.stderr.endswith(b"buildr: error: no room\nMake some.\n")
