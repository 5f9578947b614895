"""The unit that `buildr quadlet` writes: its content, and that nothing in it means something else to systemd."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from buildr.cli import app
from buildr.config import Settings
from buildr.errors import ContextError, OptionError
from buildr.options import package_options, runtime_options
from buildr.plan.entry import Entry
from buildr.runners.manifest import write
from buildr.runners.plan import plan_image, plan_run
from buildr.runners.protocol import Manifest
from buildr.runners.quadlet import render
from tests import systemd
from tests.canaries import SECRET
from tests.unit.command import command_project

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from buildr.runners.plan import RunPlan

DECORATED = """\
from buildr import Containerize

@Containerize(
    package={"repository": "registry.example/me", "name": "hello", "tag": "v1"},
    runtime={"ports": [8080], "env": {"MODE": "test"}},
)
def main():
    raise SystemExit("this ran on the host")

main()
"""
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = command_project(tmp_path, monkeypatch, "print()\n")
    (directory / "web.py").touch()
    return directory


def planned(command: tuple[str, ...] = (), **runtime: Any) -> RunPlan:
    settings = Settings(package=package_options(None), runtime=runtime_options(runtime), origins={})
    if command:
        return plan_image("localhost/buildr/web:latest", settings, command=command)
    return plan_run(Entry(kind="script", script=os.path.abspath("web.py")), settings)


def unit(command: tuple[str, ...] = (), **runtime: Any) -> tuple[str, tuple[str, ...]]:
    """Return the unit of a script, or of an image where a command is given; and its notes."""
    manifest = render(planned(command, **runtime), "web")
    assert [*manifest.files] == ["web.container"]
    return manifest.files["web.container"], manifest.notes


def text_of(command: tuple[str, ...] = (), **runtime: Any) -> str:
    return unit(command, **runtime)[0]


def container(command: tuple[str, ...] = (), **runtime: Any) -> list[tuple[str, str]]:
    return systemd.keys(text_of(command, **runtime), "Container")


def values(rows: list[tuple[str, str]], key: str) -> list[str]:
    return [value for name, value in rows if name == key]


def podman_arguments(**runtime: Any) -> list[str]:
    return [
        systemd.expand(word)
        for line in values(container(**runtime), "PodmanArgs")
        for word in systemd.split(line)
    ]


# Options ------------------------------------------------------------------------------------------


def test_without_options_the_unit_has_the_defaults_of_a_run() -> None:
    assert container() == [
        ("Image", "localhost/buildr/web:latest"),
        ("RunInit", "false"),
        ("NoNewPrivileges", "true"),
        ("DropCapability", "AUDIT_WRITE MKNOD NET_RAW"),
        ("PodmanArgs", "--stop-timeout=10"),
    ]
    assert systemd.keys(text_of(), "Service") == [
        ("Restart", "no"),
        ("TimeoutStartSec", "900"),
        ("TimeoutStopSec", "20"),
    ]
    assert systemd.keys(text_of(), "Install") == [("WantedBy", "default.target")]


def test_podman_has_the_grace_period_and_systemd_waits_longer() -> None:
    assert "--stop-timeout=3" in podman_arguments(grace_seconds=2.5)
    assert ("TimeoutStopSec", "13") in systemd.keys(text_of(grace_seconds=2.5), "Service")


@pytest.mark.parametrize(
    ("command", "word"),
    [("test -e '/a b' && true", "test -e '/a b' && true"), (["a", "$b"], '["CMD", "a", "$b"]')],
)
def test_the_health_check_is_run_by_podman(command: Any, word: str) -> None:
    found = podman_arguments(healthcheck={"command": command, "interval": 1.5, "retries": 2})
    assert [one for one in found if one.startswith("--health")] == [
        f"--health-cmd={word}",
        "--health-interval=1.5s",
        "--health-timeout=30s",
        "--health-retries=2",
        "--health-start-period=0s",
    ]


@pytest.mark.parametrize(
    ("policy", "word", "limit"),
    [
        ("no", "no", []),
        ("always", "always", []),
        ("unless-stopped", "always", []),
        ("on-failure", "on-failure", []),
        # systemd counts the first start, too.
        (
            "on-failure:3",
            "on-failure",
            [("StartLimitIntervalSec", "infinity"), ("StartLimitBurst", "4")],
        ),
    ],
)
def test_the_restart_policy_is_that_of_systemd(
    policy: str, word: str, limit: list[tuple[str, str]]
) -> None:
    text = text_of(restart=policy)
    assert ("Restart", word) in systemd.keys(text, "Service")
    assert systemd.keys(text, "Unit")[1:] == limit


def test_ports_have_their_addresses() -> None:
    ports = [8080, "0:81", "[::1]:82:83/udp", "192.0.2.1::84"]
    assert values(container(ports=ports), "PublishPort") == [
        "127.0.0.1:8080:8080",
        "127.0.0.1::81",
        "[::1]:82:83/udp",
        "192.0.2.1::84",
    ]
    assert values(container(ports=[80, "0:81"], public=True), "PublishPort") == ["80:80", "81"]


def test_mounts_have_absolute_paths_and_the_guest_is_the_user(project: Path) -> None:
    (project / "da ta$%").mkdir()
    rows = container(mounts=["./da ta$%:/data", "cache:/cache:ro"])
    volumes = [systemd.expand(value) for value in values(rows, "Volume")]
    assert volumes == [f"{project}/da ta$%:/data", "cache:/cache:ro"]
    assert (values(rows, "User"), values(rows, "Group")) == (["0"], ["0"])
    assert values(container(mounts=["cache:/cache", "./:/x:ro"]), "User") == []


def test_limits_hardening_and_memory_directories_are_those_of_a_run() -> None:
    found = podman_arguments(
        cpus=1.5,
        memory="64m",
        shm_size="1m",
        pids_limit=100,
        ulimits={"nofile": [1, 2], "core": -1},
        devices=["/dev/null", "a.b/c=d"],
        gpus=["0"],
        network=["front", "back:alias=db,alias=x"],
        hardened=True,
        tmpfs=["/scratch:size=1m"],
    )
    options = "rw,nosuid,nodev,noexec,mode=1777"
    assert found == [
        "--stop-timeout=10",
        "--cpus=1.5",
        "--memory=67108864",
        "--shm-size=1048576",
        "--pids-limit=100",
        "--ulimit=nofile=1:2",
        "--ulimit=core=-1:-1",
        "--device=/dev/null",
        "--device=a.b/c=d",
        "--device=nvidia.com/gpu=0",
        "--network=front",
        "--network=back:alias=db,alias=x",
        "--read-only-tmpfs=false",
        f"--tmpfs=/scratch:{options},size=1048576,notmpcopyup",
        f"--tmpfs=/tmp:{options},notmpcopyup",
        f"--tmpfs=/home/app:{options},notmpcopyup",
    ]
    rows = container(hardened=True)
    assert (values(rows, "DropCapability"), values(rows, "ReadOnly")) == (["all"], ["true"])


def test_the_name_is_that_of_the_container() -> None:
    assert values(container(name="box"), "ContainerName") == ["box"]


# Secrets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("TOKEN", "GITHUB_TOKEN", "DB_PASSWORD", "API_KEY", "APIKEY", "client_secret_2"),
        *("PGPASSWORD", "DB_PASS", "GITHUB_PAT", "AUTH"),
    ],
)
def test_names_that_look_like_secrets_are_not_written(name: str) -> None:
    text, notes = unit(env={name: "canary"})
    assert "canary" not in text
    assert [note for note in notes if name in note and "looks like a secret" in note]


def test_values_of_the_host_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "canary")
    text, notes = unit(env={"MODE": None, "MONKEY": "us"})
    assert "canary" not in text
    assert "Environment=MONKEY=us" in text
    assert len(notes) == 1
    assert "the variable MODE is left out, since it has this host's value" in notes[0]


@pytest.mark.parametrize(
    "value", ["postgres://me:canary@db/x", "https://canary12@index", "canary " + SECRET["mykey"]]
)
def test_a_value_that_looks_like_a_secret_is_not_written(value: str) -> None:
    text, notes = unit(env={"PLACE": value})
    assert "canary" not in text
    assert "podman secret create PLACE -" in notes[0]


def test_a_podman_secret_sets_a_variable() -> None:
    plan = structs.replace(
        planned(env={"TOKEN": "canary", "MODE": "x"}),
        stored_secrets=(("TOKEN", "my-token"), ("OTHER", "OTHER")),
    )
    manifest = render(plan, "web")
    text = manifest.files["web.container"]
    assert "canary" not in text
    assert manifest.notes == ()
    arguments = values(systemd.keys(text, "Container"), "PodmanArgs")
    assert "--secret=my-token,type=env,target=TOKEN" in arguments
    assert "--secret=OTHER,type=env,target=OTHER" in arguments


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("python", "a.py", "--password", "x"), ["--password"]),
        (("python", "a.py", "--api-key=x", "--mode", "y"), ["--api-key"]),
        (("python", "a.py", "https://me:pw12@index"), [""]),
        (("python", "a.py", "--password", "--mode", "x"), []),
        (("python", "a.py", "--monkey", "x", "token"), []),
    ],
)
def test_arguments_that_look_like_secrets_are_named(
    command: tuple[str, ...], named: list[str]
) -> None:
    _, notes = unit(command)
    wanted = [f"an argument{f' ({name})' if name else ''} looks like a secret" for name in named]
    assert [note.partition(",")[0] for note in notes] == wanted


@pytest.mark.parametrize(
    ("options", "command", "mode"),
    [
        ({}, (), 0o640),
        ({"ports": [80]}, (), 0o640),
        ({"env": {"A": "b"}}, (), 0o600),
        ({"env": {"A": "b c"}}, (), 0o600),
        ({}, ("python", "a.py", "x"), 0o600),
    ],
)
def test_a_unit_with_values_is_private(
    tmp_path: Path, options: dict[str, Any], command: tuple[str, ...], mode: int
) -> None:
    manifest = render(planned(command, **options), "w")
    mask = os.umask(0o027)
    try:
        for _ in range(2):
            [path] = write(manifest, str(tmp_path / "units"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(os.stat(path).st_mode) == mode
    assert os.listdir(tmp_path / "units") == ["w.container"]


@pytest.mark.parametrize("word", ["", "=x", "1A", "A=b c", "A-B", "A=-x"])
def test_a_malformed_name_of_a_podman_secret_is_an_error(word: str, project: Path) -> None:
    (project / "app.py").write_text("")
    result = CliRunner().invoke(app, ["quadlet", "--podman-secret", word, "app.py"])
    assert result.exit_code == 2
    assert "VARIABLE=NAME" in result.output


def test_an_env_file_is_referenced_and_not_copied(project: Path) -> None:
    (project / "my .env").write_text("TOKEN=canary\n# comment\nPLAIN=a b\n")
    text, notes = unit(env_file="my .env")
    assert "canary" not in text
    [line] = values(systemd.keys(text, "Container"), "EnvironmentFile")
    assert systemd.split(line) == [f"{project}/my .env"]
    assert notes == ()


def test_variables_that_podman_reads_differently_are_named(
    project: Path,
) -> None:
    (project / ".env").write_text("A=plain\nB='canary'\nC=x # canary\n")
    text, notes = unit(env_file=".env")
    assert "canary" not in text + "".join(notes)
    assert len(notes) == 1
    assert notes[0].startswith(f"Podman reads B, C of {project}/.env differently from a run")


# What systemd makes of it -------------------------------------------------------------------------


@given(st.lists(TEXT.filter(lambda text: text not in ("", ";")), min_size=1, max_size=4))
def test_arguments_survive_a_round_trip(words: list[str]) -> None:
    [line] = values(container(tuple(words)), "Exec")
    assert [systemd.expand(word) for word in systemd.split(line)] == words


@given(TEXT)
def test_variables_survive_a_round_trip(value: str) -> None:
    [line] = values(container(env={"A": value}), "Environment")
    assert [systemd.expand(word) for word in systemd.split(line)] == [f"A={value}"]


@pytest.mark.parametrize("word", ["", ";"])
def test_values_that_the_generator_would_lose_are_refused(word: str) -> None:
    with pytest.raises(OptionError, match="Podman's generator would lose it"):
        container(("python", word))


@pytest.mark.parametrize("folder", ["end\\", "colon:"])
def test_unsupported_paths_are_refused(project: Path, folder: str) -> None:
    (project / folder).mkdir()
    mount = {"source": str(project / folder), "target": "/x" if folder[-1] != "\\" else "/x\\"}
    with pytest.raises(OptionError, match=r"runtime\.mounts cannot be .* in a unit"):
        container(mounts=[mount])


def test_a_volume_with_the_name_of_a_unit_is_refused() -> None:
    with pytest.raises(OptionError, match="name of another unit"):
        container(mounts=["data.volume:/data"])


def test_a_mounted_source_is_refused() -> None:
    with pytest.raises(OptionError, match=r"runtime\.mount_source is for working on a script"):
        text_of(mount_source=True)


def test_a_note_stays_a_comment() -> None:
    text = text_of(env={"TOKEN": "x"})
    head = text.partition("\n[Unit]")[0]
    assert all(re.match(r"# |$", line) for line in head.split("\n"))


# The command --------------------------------------------------------------------------------------


def quadlet(*words: str) -> Result:
    return CliRunner().invoke(app, ["quadlet", *words], prog_name="buildr")


def test_a_script_has_its_image_and_the_decorator_s_options(project: Path) -> None:
    (project / "app.py").write_text(DECORATED)
    result = quadlet("-e", "MORE=1", "--restart", "on-failure", "app.py", "--port", "$X")
    assert result.exit_code == 0, result.output
    rows = systemd.keys(result.stdout, "Container")
    assert values(rows, "Image") == ["registry.example/me/hello:v1"]
    assert values(rows, "Exec") == ['python -u /app/app.py --port "$$X"']
    assert values(rows, "PublishPort") == ["127.0.0.1:8080:8080"]
    assert set(values(rows, "Environment")) >= {"MODE=test", "MORE=1"}
    assert ("Restart", "on-failure") in systemd.keys(result.stdout, "Service")
    assert not list(project.glob("*.container"))


def test_without_arguments_the_image_runs_its_own_command() -> None:
    rows = systemd.keys(quadlet("app.py").stdout, "Container")
    assert values(rows, "Image") == ["localhost/buildr/app:latest"]
    assert values(rows, "Exec") == []


def test_a_script_keeps_its_working_directory(project: Path) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "tool.py").write_text("")
    result = quadlet("--context", ".", "-m", "json.tool")
    assert "json.tool" in systemd.keys(result.stdout, "Unit")[0][1]
    assert values(systemd.keys(quadlet("sub/tool.py").stdout, "Container"), "Image") == [
        "localhost/buildr/tool:latest"
    ]


def test_the_unit_of_an_image_has_its_name() -> None:
    result = quadlet("registry.example/team/web:1", "serve", "--all")
    rows = systemd.keys(result.stdout, "Container")
    assert values(rows, "Image") == ["registry.example/team/web:1"]
    assert values(rows, "Exec") == ["serve --all"]
    assert systemd.keys(result.stdout, "Unit") == [("Description", "web (buildr)")]


def test_a_missing_script_is_not_an_image() -> None:
    result = quadlet("missing.py")
    assert result.exit_code == 2


def test_arguments_of_an_unknown_command_are_refused(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "Dockerfile").write_text("FROM x\n")
    result = quadlet("--dockerfile", "Dockerfile", "app.py", "x")
    assert result.exit_code == 125
    assert "Put the arguments into its CMD." in capfd.readouterr().err


def test_a_unit_is_overwritten_only_if_it_is_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "units"
    result = quadlet("-o", str(folder), "--unit", "mine", "app.py")
    assert result.exit_code == 0, result.output
    assert result.stdout == "systemctl --user daemon-reload && systemctl --user start mine\n"
    assert "mine.container, which runs localhost/buildr/app:latest" in capfd.readouterr().err
    assert quadlet("-q", "-o", str(folder), "--unit", "mine", "-e", "A=1", "app.py").output == ""
    path = folder / "mine.container"
    assert "Environment=A=1" in path.read_text()
    assert [entry.name for entry in folder.iterdir()] == ["mine.container"]
    path.write_text("[Container]\nImage=x\n")
    with pytest.raises(ContextError, match="Buildr has not written it"):
        write(Manifest(files={"mine.container": "new"}, image="x"), str(folder))
    assert path.read_text() == "[Container]\nImage=x\n"


@pytest.mark.parametrize("name", ["../x", "a/b", "-x", "a b", ""])
def test_an_invalid_name_of_a_unit_is_refused(name: str) -> None:
    assert quadlet("--unit", name, "app.py").exit_code == 2
