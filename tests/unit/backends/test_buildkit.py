"""Builds with BuildKit: the request, the session, and the progress."""

from __future__ import annotations

import base64
import json
import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from buildr.archive.archive import Archive
from buildr.archive.header import MTIME, content_time
from buildr.archive.parts import Member, Tree
from buildr.context.digest import content_digest
from buildr.context.lookout import Lookout
from buildr.context.scan import scan
from buildr.engines.records import Builder, BuildRequest, BuildSecrets, EngineInfo, Event
from buildr.errors import BuildError, ContextError, EngineLostError, OptionError
from buildr_backends.docker.buildkit.progress import follow_build
from buildr_backends.docker.buildkit.protobuf import decode, encode
from buildr_backends.docker.engine import Docker
from buildr_backends.http.endpoint import Endpoint
from tests.unit.backends.buildkit import (
    FILES,
    HEALTH,
    IMAGE,
    LOGIN,
    REQUEST,
    SECRET,
    BuildKit,
    FilesRefusedError,
    built,
    json_lines,
    trace,
)
from tests.unit.backends.server import always, answer, answer_json, answer_stream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.backends.conftest import Serve
    from tests.unit.backends.server import Server

LARGE = bytes(range(256)) * 1024  # more than a window of HTTP/2
TEXT = b"FROM x\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    (folder / "a" / "inner.py").write_text("inner")
    (folder / "a.txt").write_text("text")
    (folder / "b" / "large").write_bytes(LARGE)
    (folder / "empty").touch()
    (folder / "link").symlink_to("a/inner.py")
    os.link(folder / "a.txt", folder / "a" / "same")
    (folder / "a.txt").chmod(0o755)
    for path in (folder / "a" / "inner.py", folder / "b" / "large", folder / "empty"):
        path.chmod(0o644)
    for name in ("a", "b"):
        (folder / name).chmod(0o755)
    return folder


def archive(folder: Path, *, lookout: Lookout | None = None) -> Archive:
    entries = scan(folder, rules=None, include_secrets=True).entries
    files = [entry for entry in entries if entry.kind == "file" and entry.size]
    return Archive(
        tree=Tree(
            entries=entries,
            root=folder,
            contents={e.path: content_digest((folder / e.path).read_bytes()) for e in files},
        ),
        members=(Member(path=".dockerignore", data=b"x"), Member(path="Own", data=TEXT)),
        lookout=lookout,
        on_sent=lambda _: None,
    )


def docker(server: Server) -> Docker:
    info = EngineInfo(
        backend="docker",
        version="x",
        rootless=False,
        remote=False,
        endpoint=server.path,
        found="test",
        builder=Builder(frontends=True),
    )
    return Docker(server.client("/v1.41"), info)


def request(context: Archive, **more: object) -> BuildRequest:
    return replace(BuildRequest(context=context, containerfile="Own", own=True), **more)


def run(serve: Serve, kit: BuildKit, asked: BuildRequest) -> tuple[str, list[Event]]:
    events: list[Event] = []
    server = serve(kit.session, kit.build, always(answer(201)))
    return docker(server).build(asked, events.append), events


# The files ----------------------------------------------------------------------------------------


def test_buildkit_gets_the_requested_files(serve: Serve, project: Path) -> None:
    found: list[object] = []
    sent: list[int] = []
    asked = request(replace(archive(project), on_sent=sent.append))
    kit = BuildKit(lambda kit: found.extend(kit.files("context")))
    assert run(serve, kit, asked)[0] == IMAGE
    stats, contents = found
    assert isinstance(stats, list)

    def time(data: bytes) -> int:
        return content_time(content_digest(data)) * 10**9

    folder, link, nothing = 1 << 31 | 0o775, 1 << 27 | 0o777, MTIME * 10**9
    assert [tuple(stat) for stat in stats] == [
        ("a", folder, 0, nothing, ""),
        ("a/inner.py", 0o664, 5, time(b"inner"), ""),
        ("a/same", 0o775, 4, time(b"text"), ""),
        ("a.txt", 0o775, 4, time(b"text"), "a/same"),
        ("b", folder, 0, nothing, ""),
        ("b/large", 0o664, len(LARGE), time(LARGE), ""),
        ("empty", 0o664, 0, nothing, ""),
        ("link", link, 0, nothing, "a/inner.py"),
    ]
    assert contents == {
        "a/inner.py": b"inner",
        "a/same": b"text",
        "b/large": LARGE,
        "empty": b"",
    }
    assert sum(sent) == len(LARGE) + 9


def test_the_containerfile_is_sent_separately_from_the_context(serve: Serve, project: Path) -> None:
    found: list[object] = []

    def work(kit: BuildKit) -> None:
        stats, contents = kit.files("dockerfile", "Own")
        found.extend([[stat.path for stat in stats], contents])
        found.append(kit.files("context", ".dockerignore"))

    run(serve, BuildKit(work), request(archive(project)))
    assert found == [["Own"], {"Own": TEXT}, ([], {})]


def test_a_changed_file_is_reported_as_changed(serve: Serve, project: Path) -> None:
    context = archive(project)
    (project / "b" / "large").write_bytes(LARGE[::-1])

    def work(kit: BuildKit) -> None:
        with pytest.raises(FilesRefusedError):
            kit.files("context")

    kit = BuildKit(work, [{"errorDetail": {"message": "failed to solve: rpc error"}}])
    with pytest.raises(ContextError, match="b/large changed while it was read"):
        run(serve, kit, request(context))


def test_a_secret_in_a_file_is_not_sent(serve: Serve, project: Path) -> None:
    def work(kit: BuildKit) -> None:
        with pytest.raises(FilesRefusedError):
            kit.files("context")

    kit = BuildKit(work, [{"errorDetail": {"message": "failed"}}])
    context = archive(project, lookout=Lookout({"inner": "token"}))
    with pytest.raises(ContextError, match=r"a/inner\.py has the value of the secret token"):
        run(serve, kit, request(context))


def test_an_invalid_file_request_is_refused(serve: Serve, project: Path) -> None:
    found: list[int] = []

    def work(kit: BuildKit) -> None:
        for message in (encode({1: 1, 3: 99}), encode({1: 1, 3: 0}), encode({1: 4}), b"\xff"):
            stream = kit.open(FILES, [("dir-name", "context")])
            kit.send(stream, message)
            found.append(kit.status(stream))

    run(serve, BuildKit(work), request(archive(project)))
    assert found == [13, 13, 13, 13]


def test_a_request_that_fills_the_memory_is_refused(serve: Serve, project: Path) -> None:
    found: list[int] = []

    def work(kit: BuildKit) -> None:
        # A large file is not read completely here, so that each request would wait behind it.
        stream = kit.open(FILES, [("dir-name", "context")])
        number = (
            4  # a, a/inner.py, a/same, a.txt, b, b/large: in this order, the directories among them
        )
        kit.send(stream, encode({1: REQUEST, 3: number}))
        kit.send(stream, encode({1: REQUEST, 3: number}))
        found.append(kit.status(stream))
        for path in (SECRET, LOGIN):
            stream = kit.open(path)
            kit.announce(stream, 1 << 20)
            found.append(kit.status(stream))

    run(serve, BuildKit(work), request(archive(project)))
    assert found == [13, 13, 13]


# Secrets, logins, health --------------------------------------------------------------------------


def test_only_named_secrets_are_given(serve: Serve, project: Path) -> None:
    found: list[object] = []

    def work(kit: BuildKit) -> None:
        found.extend(kit.call(SECRET, encode({1: name})) for name in ("token", "other"))
        found.extend([kit.call(HEALTH), kit.call("/moby.sshforward.v1.SSH/CheckAgent")])

    secrets = BuildSecrets({"token": b"hush\x00\xff"})
    run(serve, BuildKit(work), request(archive(project), secrets=secrets))
    assert found == [(0, {1: b"hush\x00\xff"}), (5, {}), (0, {1: 1}), (12, {})]
    assert "hush" not in repr(request(archive(project), secrets=secrets))


def test_registries_get_the_user_s_logins(
    serve: Serve, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def auth(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    logins = {
        "https://index.docker.io/v1/": {"auth": auth("hub:one")},
        "r.example:5000": {"auth": auth("me:two")},
        "token.example": {"identitytoken": "three"},
    }
    (tmp_path / "config.json").write_text(json.dumps({"auths": logins}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    found: list[object] = []

    def work(kit: BuildKit) -> None:
        hosts = ("registry-1.docker.io", "r.example:5000", "token.example", "none.example")
        found.extend(kit.call(LOGIN, encode({1: host})) for host in hosts)

    run(serve, BuildKit(work), request(archive(project)))
    assert found == [
        (0, {1: b"hub", 2: b"one"}),
        (0, {1: b"me", 2: b"two"}),
        (0, {2: b"three"}),
        (0, {}),
    ]


def test_nothing_confidential_goes_over_plain_tcp(
    serve: Serve, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = base64.b64encode(b"me:two").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"r.example": {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("BUILDR_INSECURE_ENGINE", raising=False)
    monkeypatch.setattr(Endpoint, "plaintext", property(lambda _: True))
    found: list[object] = []

    def work(kit: BuildKit) -> None:
        found.extend(kit.call(LOGIN, encode({1: host})) for host in ("none.example", "r.example"))

    kit = BuildKit(work, [{"errorDetail": {"message": "failed"}}])
    with pytest.raises(OptionError, match=r"plain TCP: the login for r\.example"):
        run(serve, kit, request(archive(project)))
    assert found == [(0, {}), (13, {})]
    with pytest.raises(OptionError, match="plain TCP: the build secrets"):
        run(serve, BuildKit(), request(archive(project), secrets=BuildSecrets({"a": b"b"})))


# The request --------------------------------------------------------------------------------------


def test_the_build_names_its_session(serve: Serve, project: Path) -> None:
    kit = BuildKit()
    asked = request(archive(project), labels={"a": "b"}, tags=("me/x:1",), cache=False)
    server = serve(kit.session, kit.build, always(answer(201)))
    assert docker(server).build(asked, lambda _: None) == IMAGE
    headers = dict(kit.session_headers)
    assert kit.query == {
        "version": "2",
        "session": headers["x-docker-expose-session-uuid"],
        "remote": "client-session",
        "dockerfile": "Own",
        "labels": '{"a": "b"}',
        "buildargs": "{}",
        "nocache": "1",
    }
    assert server.requests[-1].path.endswith(f"/images/{IMAGE}/tag")


def test_sessions_of_one_directory_share_the_engine_s_cache(serve: Serve, project: Path) -> None:
    kits = [BuildKit(), BuildKit()]
    for kit in kits:
        run(serve, kit, request(archive(project)))
    keys, ids = (
        {dict(kit.session_headers)[f"x-docker-expose-session-{name}"] for kit in kits}
        for name in ("sharedkey", "uuid")
    )
    assert (len(keys), len(ids)) == (1, 2)


@pytest.mark.parametrize("own", [True, False])
def test_generated_containerfiles_and_older_engines_use_the_classic_builder(
    serve: Serve, project: Path, own: bool
) -> None:
    server = serve(always(answer_stream({"stream": f"{IMAGE}\n"})))
    backend = docker(server)
    if own:
        backend = Docker(server.client("/v1.41"), replace(backend.info, builder=Builder()))
    backend.build(request(archive(project), own=own), lambda _: None)
    [build] = server.requests
    assert build.query["version"] == "1"
    assert build.headers["content-type"] == "application/x-tar"


def test_an_engine_that_refuses_a_session_is_reported(serve: Serve, project: Path) -> None:
    server = serve(always(answer_json({"message": "page not found"}, 404)))
    with pytest.raises(BuildError, match="no session of BuildKit: page not found") as error:
        docker(server).build(request(archive(project)), lambda _: None)
    assert "DOCKER_BUILDKIT=0" in str(error.value.hint)


def test_a_refused_build_is_an_error(serve: Serve, project: Path) -> None:
    kit = BuildKit()
    server = serve(kit.session, always(answer_json({"message": "no such builder"}, 500)))
    with pytest.raises(BuildError, match="refused the build: no such builder"):
        docker(server).build(request(archive(project)), lambda _: None)
    kit.over.set()


def test_an_interrupted_build_closes_both_connections(serve: Serve, project: Path) -> None:
    kit = BuildKit(documents=[trace((1, {1: "v", 3: "[1/1] RUN x", 5: b"t"})), built()])

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    server = serve(kit.session, kit.build)
    with pytest.raises(KeyboardInterrupt):
        docker(server).build(request(archive(project)), interrupt)
    assert kit.over.wait(10)
    server.close()


# The progress -------------------------------------------------------------------------------------

RUN: dict[int, int | str | bytes] = {1: "v2", 3: "[2/2] RUN false", 5: b"t"}
OLD = "executor failed running [/bin/sh -c false]: exit code: 7"
NEW = 'process "/bin/sh -c false" did not complete successfully: exit code: 7'


def follow(*documents: object) -> tuple[str, list[Event]]:
    events: list[Event] = []
    return follow_build([json_lines(*documents)], events.append), events


def test_steps_and_their_output_are_reported_live() -> None:
    image, events = follow(
        trace((1, {1: "v0", 3: "[internal] load build context", 5: b"t"})),
        trace(
            (1, {1: "v1", 3: "[build 1/2] FROM docker.io/library/x"}),
            (1, {1: "v2", 3: "[2/2] RUN a"}),
        ),
        trace((1, {1: "v1", 3: "[build 1/2] FROM docker.io/library/x", 5: b"t"})),
        trace((2, {1: "sha256:1", 2: "v1", 3: "sha256:1", 4: 5, 5: 9})),
        trace((1, {1: "v2", 3: "[2/2] RUN a", 5: b"t"}), (3, {1: "v2", 3: 1, 4: "one\ntw"})),
        trace((3, {1: "v2", 3: 1, 4: b"o \xc3"}), (3, {1: "v2", 3: 1, 4: b"\xbc\r1%\r2%\nthree"})),
        trace((1, {1: "v2", 3: "[2/2] RUN a", 5: b"t", 6: b"t"})),
        trace((1, {1: "v3", 3: "exporting to image", 5: b"t"})),
        built(),
    )
    assert image == IMAGE
    assert events == [
        Event(kind="step", text="FROM docker.io/library/x", current=1, total=2),
        Event(kind="transfer", text="sha256:1", current=5, total=9),
        Event(kind="step", text="RUN a", current=2, total=2),
        Event(kind="log", text="one"),
        Event(kind="log", text="2%"),
        Event(kind="log", text="exporting to image"),
        Event(kind="image", text=IMAGE.removeprefix("sha256:")),
        Event(kind="log", text="three"),
    ]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (OLD, f"{OLD}"),
        (NEW, f"failed to solve: {NEW}"),
        (f"{NEW}", f"failed to solve: rpc error: code = Unknown desc = {NEW}"),
    ],
)
def test_a_failed_step_is_named_with_its_output(error: str, failure: str) -> None:
    with pytest.raises(BuildError) as found:
        follow(
            trace((1, {1: "v1", 3: "[other 1/2] RUN sleep", 5: b"t", 7: "context canceled"})),
            trace((1, RUN), (3, {1: "v2", 4: "said\n"}), (3, {1: "v1", 4: "elsewhere\n"})),
            trace((1, {**RUN, 7: error})),
            {"errorDetail": {"message": failure}, "error": failure},
        )
    assert str(found.value.what) == "the build failed in `RUN false`: exit code: 7"
    assert (found.value.step, str(found.value.hint)) == ("RUN false", "said")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            "failed to solve with frontend dockerfile.v0: dockerfile parse error line 2: unknown instruction: RUUN",
            "the build failed: dockerfile parse error line 2: unknown instruction: RUUN",
        ),
        (
            "dockerfile parse error on line 2: unknown instruction: RUUN",
            "the build failed: dockerfile parse error on line 2: unknown instruction: RUUN",
        ),
        ("failed to solve: x: not found", "the build failed: x: not found"),
        ("", "the build failed: the engine named no image at the end of the build"),
    ],
)
def test_a_failure_before_the_first_step_is_reported(failure: str, said: str) -> None:
    with pytest.raises(BuildError) as found:
        follow(*([{"errorDetail": {"message": failure}}] if failure else []))
    assert str(found.value.what) == said


@pytest.mark.parametrize("aux", ["$", base64.b64encode(b"\x0a\xff").decode(), "/w=="])
def test_unreadable_progress_is_a_lost_engine(aux: str) -> None:
    with pytest.raises(EngineLostError):
        follow({"id": "moby.buildkit.trace", "aux": aux}, built())


def test_progress_takes_bounded_memory() -> None:
    long, lines = "x" * (1 << 20), ("y" * 5000 + "\n") * 200
    vertexes = (
        json_lines(trace((1, {1: f"v{n}", 3: long, 7: long}), (3, {1: f"v{n}", 4: lines})))
        for n in range(40)
    )
    tracemalloc.start()
    try:
        with pytest.raises(BuildError):
            follow_build(vertexes, lambda _: None)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 50 << 20


def test_too_many_steps_are_an_error() -> None:
    vertexes: list[tuple[int, dict[int, int | str | bytes]]] = [
        (1, {1: f"v{n}"}) for n in range(5001)
    ]
    with pytest.raises(EngineLostError, match="more than 5000 steps"):
        follow(trace(*vertexes), built())


def test_a_repetitive_error_is_read_in_linear_time() -> None:
    with pytest.raises(BuildError, match="the build failed: "):
        follow({"error": "failed to solve: " * (1 << 18)})


def test_an_endless_line_is_split() -> None:
    _, events = follow(trace((1, RUN), (3, {1: "v2", 4: "x" * (1 << 20)})), built())
    assert "".join(event.text for event in events if event.kind == "log") == "x" * (1 << 20)
    assert max(len(event.text) for event in events) == 1 << 13


def test_messages_survive_a_round_trip() -> None:
    fields: dict[int, int | str | bytes] = {1: "text", 2: 300, 3: b"\x00\xff", 15: 1 << 40, 16: "ü"}
    assert dict(decode(encode(fields))) == {
        1: b"text",
        2: 300,
        3: b"\x00\xff",
        15: 1 << 40,
        16: "ü".encode(),
    }
    assert encode({1: 0, 2: "", 3: b""}) == b""
    assert dict(decode(b"\x0d\x01\x02\x03\x04\x11" + bytes(8))) == {
        1: b"\x01\x02\x03\x04",
        2: bytes(8),
    }


@pytest.mark.parametrize(
    "data", [b"\x80", b"\x0a\x05x", b"\x0b", b"\x08" + b"\x80" * 11, b"\x09\x00"]
)
def test_an_invalid_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="a "):
        list(decode(data))
