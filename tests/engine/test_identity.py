"""One project, built and run by each engine: the same image and the same run, except for documented differences."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.engine.harness import Engine, project_directory
from tests.engine.images import File, Site, files_of, inspect

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "differences.md"
LAST_TIME = 315619200 + (1 << 30)  # that of files with a content-based time; it is in the past

FILES_OF_PODMAN = {"/dev", "/run", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
"""Paths in Podman's layer only: its mount points during a build step. Their number depends on its version."""

FACTS_THAT_DIFFER = {
    *("hosts", "resolv.conf", "RLIMIT_NPROC", "signal 32", "marker file", "mounts"),
    "descriptors",
}
"""What guests see differently on each engine."""

SURROUNDINGS = """\
def read(path):
    with open(path) as file:
        return file.read()

status = dict(line.split(":\\t", 1) for line in read("/proc/self/status").splitlines())
ignored = int(status.pop("SigIgn"), 16)
limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
shm = os.statvfs("/dev/shm")
mask = os.umask(0)
os.umask(mask)
markers = {"/.dockerenv", "/run/.containerenv"}
found = {
    **limits,
    **{name: status[name] for name in status if name.startswith(("Cap", "NoNew", "Seccomp", "Sig")) and name != "SigQ"},
    "environ": {name: value for name, value in os.environ.items() if name != "HOSTNAME"},
    "HOSTNAME is the host's name": os.environ["HOSTNAME"] == socket.gethostname(),
    "form of the host's name": re.sub("[0-9a-f]", "0", socket.gethostname()),
    "hosts": re.sub("[0-9a-f]{12}", "ID", read("/etc/hosts")).splitlines(),
    "names in hosts": sorted({"localhost", "host.containers.internal", socket.gethostname()} - set(read("/etc/hosts").split())),
    "resolv.conf": read("/etc/resolv.conf").splitlines(),
    "marker file": sorted(marker for marker in markers if os.path.exists(marker)),
    "ignored signals": ignored & ~(1 << 31),
    "signal 32": ignored >> 31 & 1,
    "argv": sys.argv,
    "executable": sys.executable,
    "path": sys.path,
    "cwd": os.getcwd(),
    "parent": os.getppid(),
    "session": os.getsid(0),
    "user": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups()],
    "passwd": list(pwd.getpwuid(os.getuid())),
    "home": os.path.expanduser("~"),
    "umask": mask,
    "nice": os.nice(0),
    "descriptors": {number: stat.filemode(os.fstat(number).st_mode) for number in range(3)},
    "shared memory": shm.f_blocks * shm.f_frsize,
    "devices": sorted(os.listdir("/dev")),
    "top": sorted({"/" + name for name in os.listdir("/")} - markers),
    "encoding": [sys.getfilesystemencoding(), sys.stdout.encoding, locale.setlocale(locale.LC_ALL, "")],
    "zone": time.tzname,
    "mounts": sorted(line.split()[4] for line in read("/proc/self/mountinfo").splitlines()),
    "input": sys.stdin.read(),
}
print(json.dumps(found))
print("a word to stderr", file=sys.stderr)
sys.exit(3)
"""
IMPORTS = "import json, locale, os, pwd, re, resource, socket, stat, sys, time"

CONTENT = {
    "private": "1",
    "plain": "2",
    "tool": "#!/bin/sh\n",
    "readonly": "3",
    "ours": "4",
    "setuid": "5",
    "folder/inner": "6",
    "folder/deep/er/inner": "7",
    "shared/one": "8",
    "names/grüße 日本": "unicode",
    "names/with  blanks ": "blanks",
    "names/-dash": "dash",
    "names/quote'\"s": "quotes",
    "names/dollar$HOME": "dollar",
    "names/back\\slash": "backslash",
    "names/star*[a]?": "glob",
    "names/#hash": "hash",
    "names/.hidden": "dot",
    "names/line\nbreak": "line",
    "requirements.txt": "iniconfig==2.0.0\n",
    "extra/file": "9",
    "extra/sub/deep": "10",
    "extra/none/.keep": "",
    "extra.json": "{}",
}
MODES = {
    "private": 0o600,
    "plain": 0o644,
    "tool": 0o755,
    "readonly": 0o444,
    "ours": 0o664,
    "setuid": 0o4755,
    "folder": 0o700,
    "shared": 0o2775,
    "extra/file": 0o640,
    "extra/sub": 0o750,
}
ADDITIONAL = [
    {"src": "extra.json", "dest": "/etc/extra.json", "mode": "0400"},
    {"src": "extra.json", "dest": "/opt/a/b/named"},
    {"src": "extra.json", "dest": "/opt/into/"},
    {"src": "extra.json", "dest": "/usr/local/games"},  # an existing directory
    {"src": "extra", "dest": "/opt/tree"},
    {"src": "extra", "dest": "/opt/modes", "mode": "0640"},
    {"src": "extra", "dest": "/usr/local/share"},  # an existing directory
    {"src": "extra", "dest": "/tmp"},
    {"src": "extra", "dest": "/app/folder"},
]


CONFIGURATION = (
    *("Env", "Entrypoint", "Cmd", "User", "WorkingDir", "Labels", "ExposedPorts", "Volumes"),
    *("StopSignal", "Healthcheck", "OnBuild", "Shell"),
)


class Outcome(Struct, frozen=True, kw_only=True):
    """An engine's image and run of the project."""

    files: dict[str, File]
    configuration: dict[str, Any]
    facts: dict[str, Any]
    status: int
    stderr: str


@pytest.fixture(scope="module")
def outcomes(
    rootless_podman: Engine, root_podman: Engine, docker: Engine
) -> Iterator[dict[str, Outcome]]:
    """The same directory, built and run by each engine in turn."""
    engines = (rootless_podman, root_podman, docker)
    for directory in project_directory(docker):
        sites = [Site(engine, directory) for engine in engines]
        for site in sites:
            site.name = sites[0].name
        _write(sites[0])
        try:
            yield {site.engine.name: _outcome(site) for site in sites}
        finally:
            for site in sites:
                site.remove()


def _write(site: Site) -> None:
    top = site.directory
    site.write(CONTENT)
    (top / "empty").mkdir()
    (top / "link").symlink_to("plain")
    (top / "folder/up").symlink_to("../plain")
    (top / "to-folder").symlink_to("folder")
    (top / "to-nowhere").symlink_to("not/there")
    os.link(top / "plain", top / "second")
    os.link(top / "plain", top / "folder/third")
    site.script(SURROUNDINGS, imports=IMPORTS, package={"additional_files": ADDITIONAL})


def _outcome(site: Site) -> Outcome:
    site.own()
    for name, mode in MODES.items():  # a change of owner clears the set-uid bit
        (site.directory / name).chmod(mode)
    env = {"GIVEN": "not asked for", "TZ": "Europe/Vienna"}
    done = site.run("app.py", "a b", "$c", stdin=b"from outside", env=env)
    assert done.stdout, done.stderr.decode()
    return Outcome(
        files=files_of(site.engine, site.reference),
        configuration=inspect(site.engine, site.reference),
        facts=json.loads(done.stdout),
        status=done.returncode,
        stderr=done.stderr.decode(),
    )


@pytest.fixture(scope="module", params=["podman-rootless", "podman-root"])
def pair(request: pytest.FixtureRequest, outcomes: dict[str, Outcome]) -> tuple[Outcome, Outcome]:
    """The outcome of each Podman, and that of Docker."""
    return outcomes[request.param], outcomes["docker"]


def _comparable(files: dict[str, File]) -> dict[str, File]:
    # The time of a build is not content.
    return {
        path: replace(file, time=file.time if file.time < LAST_TIME else 0)
        for path, file in files.items()
    }


def test_the_files_of_the_images_are_the_same(pair: tuple[Outcome, Outcome]) -> None:
    podman, docker = (_comparable(outcome.files) for outcome in pair)
    assert podman.keys() - docker.keys() <= FILES_OF_PODMAN
    assert {path: podman[path] for path in docker} == docker


def test_the_image_has_the_files_of_the_project(pair: tuple[Outcome, Outcome]) -> None:
    for outcome in pair:
        files = outcome.files
        assert {f"/app/{name}" for name in CONTENT} <= files.keys()
        assert {file.owner for path, file in files.items() if path.startswith("/app")} == {"1000:0"}
        assert files["/app/empty"].kind == "d"
        assert files["/app/plain"].names == ("/app/folder/third", "/app/plain", "/app/second")
        assert files["/app/folder/up"].target == "../plain"
        assert (files["/app/private"].mode, files["/app/setuid"].mode) == (0o660, 0o775)
        assert (files["/app/tool"].mode, files["/app/readonly"].mode) == (0o775, 0o444)


def test_additional_files_are_at_their_places(pair: tuple[Outcome, Outcome]) -> None:
    for outcome in pair:
        files = outcome.files
        assert files["/etc/extra.json"].mode == 0o400
        for path in (
            "/opt/a/b/named",
            "/opt/into/extra.json",
            "/usr/local/games/extra.json",
            "/opt/tree/sub/deep",
            "/usr/local/share/sub/deep",
            "/app/folder/sub/deep",
        ):
            assert files[path].kind == "-"
        assert (files["/opt/modes/file"].mode, files["/opt/modes/sub"].mode) == (0o640, 0o750)
        # Existing directories keep their owner and mode.
        assert (files["/tmp"].owner, files["/tmp"].mode) == ("0:0", 0o1777)
        assert (files["/usr/local/share"].owner, files["/usr/local/share"].mode) == ("0:0", 0o755)


def test_the_configuration_of_the_images_is_the_same(pair: tuple[Outcome, Outcome]) -> None:
    podman, docker = (
        {name: outcome.configuration["Config"].get(name) for name in CONFIGURATION}
        for outcome in pair
    )
    assert podman == docker
    for name in ("Architecture", "Os", "Author"):
        assert pair[0].configuration[name] == pair[1].configuration[name]


def test_the_guests_see_the_same(pair: tuple[Outcome, Outcome]) -> None:
    podman, docker = (outcome.facts for outcome in pair)
    assert podman.keys() == docker.keys()
    differing = {name for name in podman if podman[name] != docker[name]}
    assert differing <= FACTS_THAT_DIFFER, {
        name: (podman[name], docker[name]) for name in differing - FACTS_THAT_DIFFER
    }


def test_the_guests_see_the_intended_environment(pair: tuple[Outcome, Outcome]) -> None:
    for outcome in pair:
        facts = outcome.facts
        assert facts["argv"] == ["/app/app.py", "a b", "$c"]
        assert (facts["cwd"], facts["home"], facts["umask"]) == ("/app", "/home/app", 0o022)
        assert facts["user"] == [1000, 1000, 0, 0, [0]]
        assert facts["passwd"][:1] == ["app"]
        assert facts["names in hosts"] == []
        assert facts["form of the host's name"] == "0" * 12
        assert facts["environ"].keys() - {"LANG", "TZ"} == {
            "BUILDR_IN_CONTAINER",
            "HOME",
            "METAPARTICLE_IN_CONTAINER",
            "PATH",
            "PYTHONPATH",
        }
        assert facts["input"] == "from outside"


def test_status_and_output_of_the_runs_are_the_same(pair: tuple[Outcome, Outcome]) -> None:
    podman, docker = pair
    # Engines differ in the time that a build takes, which is shown where it is long.
    said, on_docker = (
        re.sub(r"buildr: built \S+ in .*\n", "", one.stderr) for one in (podman, docker)
    )
    assert (podman.status, said) == (docker.status, on_docker)
    assert podman.status == 3
    assert podman.stderr.endswith("a word to stderr\n")


@pytest.mark.parametrize("name", sorted(FILES_OF_PODMAN | FACTS_THAT_DIFFER))
def test_every_difference_is_in_the_documentation(name: str) -> None:
    assert re.search(rf"^\| [^|]*`{re.escape(name)}`", DOCUMENTATION.read_text(), re.MULTILINE)
