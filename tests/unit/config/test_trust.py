"""What a project's file may request without consent: its own folder, and a private network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from buildr.cli import app
from buildr.config import Layer, settle
from buildr.config.layers import DECORATOR
from buildr.config.reach import RULES
from buildr.errors import OptionError, TrustError
from buildr.options import OPTIONS, read_package, read_runtime
from buildr.plan.entry import Entry
from buildr.runners.plan import plan_image, plan_run
from buildr.testing import FakeBackend, run_script, using
from tests.unit.command import command_project
from tests.unit.processes import OnTerminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.config import Settings

HOST_MOUNT = "[tool.buildr.runtime]\nmounts = ['/srv:/srv']\n"
ON_TERMINAL = """\
import os
os.environ["XDG_CACHE_HOME"] = os.path.abspath("../cache")
from buildr.cli import main
from buildr.testing import FakeBackend, using
with using(FakeBackend()):
    main()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = command_project(tmp_path, monkeypatch, "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "command" / "terminal.py").write_text(ON_TERMINAL)
    for name in ("BUILDR_TRUST", "BUILDR_NO_PROJECT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("buildr.config.trust._known", set())
    return directory


@pytest.fixture
def engine() -> Iterator[FakeBackend]:
    with using(FakeBackend()) as backend:
        yield backend


def configure(text: str) -> None:
    Path("pyproject.toml").write_text(text)


class Result(NamedTuple):
    status: int
    stdout: str
    stderr: str


def script(path: str, *words: str) -> Result:
    result = run_script(path, *words)
    return Result(result.status, result.stdout.decode(), result.stderr.decode())


def buildr(*words: str) -> Result:
    return script("../command/tool.py", *words)


def settled(own: Layer | None = None) -> Settings:
    entry = Entry(kind="script", script=os.path.abspath("app.py"), directory=os.getcwd())
    return settle(entry, own or Layer(origin=DECORATOR))


def asked(text: str) -> list[str]:
    configure(text)
    return [one.what for one in settled().asks]


# What is asked for --------------------------------------------------------------------------------


def test_every_option_has_a_trust_rule() -> None:
    confined = {key for key, option in OPTIONS.items() if option.confined}
    assert not confined & RULES.keys()
    assert confined | RULES.keys() - {"backend"} == OPTIONS.keys()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("package.additional_files = ['~/.ssh:/x']", "{home}/.ssh of this host, copied into the image"),
        ("package.additional_files = ['/etc/hostname:/x']", "/etc/hostname of this host, copied into the image"),
        ("package.additional_files = ['out:/x']", "{project}/out of this host, copied into the image"),
        ("package.context = '..'", "all files in {parent}, sent to the build"),
        ("package.dockerfile = '/etc/passwd'", "/etc/passwd as its Containerfile"),
        ("package.dockerfile = 'Containerfile'", "the network of this host, with what listens on 127.0.0.1 there, for its steps, by Containerfile"),
        ("package.include_secrets = true", "files that look like secrets, in the image"),
        ("package.secrets = ['pip']", "pip's settings on this host, with logins, for the installation"),
        ("package.secrets = ['id=TOKEN']", "your variable TOKEN, for the installation"),
        ("package.secrets = ['id=k,src=~/.ssh/id_rsa']", "{home}/.ssh/id_rsa of this host, for the installation"),
        ("package.wheel_cache = true", "the cache of wheels that your other projects install from"),
        ("package.repository = 'docker.io/library'", "an image under the name of an official one, docker.io/library"),
        ("package.name = 'offline-base'", "an image under the name of your base images, offline-base"),
        ("runtime.executor = 'kubernetes'", "kubernetes to run it, in place of an engine of this host"),
        ("backend = 'kubernetes'", "kubernetes to run it, in place of an engine of this host"),
        ("runtime.ports = ['0.0.0.0:80:80']", "port 0.0.0.0:80 open to other machines"),
        ("runtime.ports = ['[::]:80:80']", "port [::]:80 open to other machines"),
        ("runtime.debug = '192.0.2.1:5678'", "port 192.0.2.1:5678 open to other machines"),
        ("runtime.env = ['TOKEN']", "your variable TOKEN"),
        ("runtime.env_file = '~/.aws/credentials'", "the variables in {home}/.aws/credentials"),
        ("runtime.env_file = 'passing.env'", "your variable TOKEN, by {project}/passing.env"),
        ("runtime.mounts = ['/:/host:ro']", "/ of this host, to read"),
        ("runtime.mounts = ['~:/home']", "{home} of this host, to read and write"),
        ("runtime.mounts = ['../x:/x']", "{parent}/x of this host, to read and write"),
        ("runtime.mounts = ['./out:/x']", "{project}/out of this host, to read and write"),
        ("runtime.mounts = ['database:/x']", "the engine's volume database, which others may use"),
        ("runtime.mounts = ['./.git:/x']", "{project}/.git to write, which holds programs that this host runs"),
        ("runtime.mounts = ['./.git/hooks:/x']", "{project}/.git/hooks to write, which holds programs that this host runs"),
        ("runtime.mounts = ['.:/x']", "{project}/.git to write, which holds programs that this host runs"),
        ("runtime.mount_source = true", "{project}/.git to write, which holds programs that this host runs"),
        ("runtime.outputs = ['out', '**/x']", "{project}/.git to write, which holds programs that this host runs"),
        ("runtime.devices = ['/dev/kmsg']", "the device /dev/kmsg"),
        ("runtime.gpus = 'all'", "GPUs of this host"),
        ("runtime.network = 'host'", "the network of this host, with what listens on 127.0.0.1 there"),
        ("runtime.network = 'databases'", "the engine's network databases, with the containers in it"),
        ("runtime.restart = 'always'", "to be started again whenever it ends, also with the machine"),
        ("runtime.call_format = 'pickle'", "results by pickle, by which the container can run code on this host"),
        ("runtime.call_limit = '65m'", "results of 65 MiB in the memory of this host"),
    ],
)  # fmt: skip
def test_requests_beyond_the_folder_need_consent(project: Path, line: str, what: str) -> None:
    (project / "out").symlink_to("/srv")
    (project / "passing.env").write_text("A=1\nTOKEN\n")
    (project / ".git" / "hooks").mkdir(parents=True)
    (project / "Containerfile").write_text("FROM x\nRUN --network=host true\n")
    places = {"home": os.environ["HOME"], "project": project, "parent": project.parent}
    assert asked(f"tool.buildr.{line}") == [what.format(**places)]


@pytest.mark.parametrize(
    "line",
    [
        "backend = 'docker'",
        "package.additional_files = ['settings.toml:/etc/x']",
        "package.repository = 'registry.example.org/me'",
        "package.secrets = ['id=k,src=key.pem']",
        "package.user = 'root'",
        "package.dockerfile = 'Containerfile'",
        "package.dockerfile = 'missing'",
        "package.publish = false",
        "runtime.ports = [8080, '127.0.0.2:80:80', '[::1]:80:80']",
        "runtime.debug = 5678",
        "runtime.env = ['A=1']",
        "runtime.env_file = '.env'",
        "runtime.mounts = ['./data:/data', '.:/x:ro']",
        "runtime.outputs = ['out/**', 'data']",
        "runtime.network = 'none'",
        "runtime.restart = 'on-failure'",
        "runtime.public = true",
        "runtime.memory = '1g'",
        "runtime.call_limit = '64m'",
    ],
)
def test_the_folder_and_a_private_network_need_no_consent(project: Path, line: str) -> None:
    (project / ".env").write_text("A=1\n")
    (project / ".git").mkdir()
    (project / "Containerfile").write_text("FROM x\nRUN --network=none true\n")
    assert asked(f"tool.buildr.{line}") == []


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (("package.publish = true", "package.repository = 'r.example/me'"), "the image pushed to r.example/me, with your login there"),
        (("runtime.public = true", "runtime.ports = [80]"), "ports open to other machines"),
        (("package.user = 'root'", "runtime.mounts = ['./data:/data']"), "root in the container, beside mounts"),
        (("package.user = 'root'", "runtime.mount_source = true"), "root in the container, beside mounts"),
    ],
)  # fmt: skip
def test_some_options_need_consent_only_together(lines: tuple[str, ...], what: str) -> None:
    assert asked("".join(f"tool.buildr.{line}\n" for line in lines)) == [what]


def test_a_writable_virtual_environment_needs_consent(project: Path) -> None:
    (project / "tools" / ".venv").mkdir(parents=True)
    (project / "own").mkdir()
    (project / "own" / "pyvenv.cfg").touch()
    configure("tool.buildr.runtime.mounts = ['./tools:/t', './own:/o']")
    found = [one.what.partition(" ")[0] for one in settled().asks]
    assert found == [f"{project}/tools/.venv", f"{project}/own"]


def test_replaced_options_need_no_consent() -> None:
    configure(
        "[tool.buildr.runtime]\nmounts = ['/:/host']\nenv = ['TOKEN', 'OTHER']\nenv_file = '/etc/environment'\n"
    )
    runtime = {"mounts": [], "env": {"TOKEN": "1"}, "env_file": ()}
    own = Layer(runtime=read_runtime(runtime), origin=DECORATOR)
    assert [one.what for one in settled(own).asks] == ["your variable OTHER"]


def test_flags_and_variables_need_no_consent(
    engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDR_RUNTIME_ENV", '["TOKEN"]')
    assert buildr("run", "-v", "/srv:/srv", "--network", "host", "app.py").status == 0
    assert engine.runs


def test_a_containerfile_that_later_requests_more_needs_new_consent(
    project: Path, engine: FakeBackend
) -> None:
    configure("tool.buildr.package.dockerfile = 'Containerfile'\n")
    engine.add_image("docker.io/library/x:latest")
    containerfile = project / "Containerfile"
    containerfile.write_text("FROM x\nCMD true\n")
    assert buildr("run", "app.py").status == 0
    containerfile.write_text("FROM x\nRUN --network=host true\nCMD true\n")
    result = buildr("run", "app.py")
    assert result.status == 125
    what = "the network of this host, with what listens on 127.0.0.1 there, for its steps, by Containerfile"
    assert f"\n  tool.buildr.package.dockerfile: {what}\n" in result.stderr
    assert buildr("run", "--trust", "app.py").status == 0
    assert (
        buildr("run", "--no-project-config", "--dockerfile", "Containerfile", "app.py").status == 0
    )


def test_control_characters_are_escaped(project: Path) -> None:
    hostile = project / "\x1b[2J"
    hostile.mkdir()
    (hostile / "app.py").touch()
    os.chdir(hostile)
    (what,) = asked("tool.buildr.runtime.mounts = ['../x:/x']")
    assert what.isprintable()
    (hostile / "l").symlink_to("..")
    (what,) = asked("tool.buildr.runtime.env_file = 'l'")
    assert what.isprintable()


# Nobody to ask ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("run", "app.py"),
        ("build", "app.py"),
        ("push", "--repository", "r.example/me", "app.py"),
        ("shell", "app.py"),
        ("quadlet", "app.py"),
        ("quadlet", "some/image"),
        ("eject", "-o", "out", "app.py"),
    ],
    ids=" ".join,
)
def test_without_a_terminal_requests_are_refused_with_a_list_and_advice(
    project: Path, engine: FakeBackend, command: tuple[str, ...]
) -> None:
    configure(
        "[tool.buildr.package]\nadditional_files = ['~/.ssh:/x']\n[tool.buildr.runtime]\nenv = ['TOKEN']\n"
    )
    result = buildr(*command)
    assert result.status == 125
    assert result.stderr == (
        f"buildr: error: {project}/pyproject.toml asks for more than its own folder and a private network,"
        " and you have not allowed it\n"
        f"  tool.buildr.package.additional_files: {os.environ['HOME']}/.ssh of this host, copied into the image\n"
        "  tool.buildr.runtime.env: your variable TOKEN\n"
        "If you trust this project, say so once: --trust, or BUILDR_TRUST=1. Without the options of this file:"
        " --no-project-config, or BUILDR_NO_PROJECT_CONFIG=1.\n"
    )
    assert not engine.builds
    assert not engine.runs
    assert not (project / "out").exists()


def test_a_decorated_script_and_a_call_are_refused_too(engine: FakeBackend) -> None:
    configure(HOST_MOUNT)
    text = "from buildr import Containerize\n@Containerize\ndef main():\n    pass\n"
    Path("app.py").write_text(f"{text}main()\n")
    assert "asks for more" in script("app.py").stderr
    Path("app.py").write_text(
        f"{text}from buildr.errors import TrustError\n"
        "try:\n    main.remote()\nexcept TrustError as error:\n    print(error.what)\n"
    )
    assert "asks for more" in script("app.py").stdout
    assert not engine.builds


def test_every_command_that_plans_a_run_is_refused() -> None:
    configure(HOST_MOUNT)
    entry = Entry(kind="script", script=os.path.abspath("app.py"))
    with pytest.raises(TrustError):
        plan_run(entry, settled())
    with pytest.raises(TrustError):
        plan_image("image", settled())


# Yes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_consent_is_kept_until_the_requests_change(
    engine: FakeBackend, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    configure(HOST_MOUNT)
    if way == "variable":
        monkeypatch.setenv("BUILDR_TRUST", "1")
    assert buildr("build", *(["--trust"] if way == "flag" else []), "app.py").status == 0
    monkeypatch.delenv("BUILDR_TRUST", raising=False)
    monkeypatch.setattr("buildr.config.trust._known", set())  # another process
    assert buildr("build", "app.py").status == 0
    configure(f"{HOST_MOUNT}memory = '1g'\n")
    assert buildr("build", "app.py").status == 0
    configure(HOST_MOUNT.replace("'/srv:/srv'", "'/srv:/srv', '/:/host'"))
    assert buildr("build", "app.py").status == 125
    configure(HOST_MOUNT)
    assert buildr("build", "app.py").status == 0
    assert engine.builds


def test_consent_is_for_one_project(tmp_path: Path, engine: FakeBackend) -> None:
    configure(HOST_MOUNT)
    assert buildr("build", "--trust", "app.py").status == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "app.py").touch()
    (other / "pyproject.toml").write_text(HOST_MOUNT)
    os.chdir(other)
    engine.builds.clear()
    assert buildr("build", "app.py").status == 125
    assert not engine.builds


def test_without_storage_a_process_asks_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setenv("BUILDR_TRUST", "1")
    configure(HOST_MOUNT)
    entry = Entry(kind="script", script=os.path.abspath("app.py"))
    plan_run(entry, settled())
    monkeypatch.delenv("BUILDR_TRUST")
    plan_run(entry, settled())
    monkeypatch.setattr("buildr.config.trust._known", set())
    with pytest.raises(TrustError):
        plan_run(entry, settled())


def test_an_invalid_trust_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(HOST_MOUNT)
    monkeypatch.setenv("BUILDR_TRUST", "perhaps")
    with pytest.raises(OptionError, match="BUILDR_TRUST cannot be 'perhaps'"):
        plan_image("image", settled())


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_the_file_can_be_ignored(
    engine: FakeBackend, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    configure(HOST_MOUNT)
    if way == "variable":
        monkeypatch.setenv("BUILDR_NO_PROJECT_CONFIG", "1")
    flags = ["--no-project-config"] if way == "flag" else []
    assert buildr("run", *flags, "app.py").status == 0
    assert not engine.runs[0].spec.mounts


# What only shows ----------------------------------------------------------------------------------


def test_config_lists_requests_and_whether_they_are_allowed(
    project: Path, engine: FakeBackend
) -> None:
    configure(HOST_MOUNT)
    asks = "/pyproject.toml asks for more than its own folder and a private network, which is "
    line = "  tool.buildr.runtime.mounts: /srv of this host, to read and write\n"
    assert buildr("config", "app.py").stdout.endswith(f"\n{project}{asks}not allowed yet:\n{line}")
    buildr("build", "--trust", "app.py")
    assert buildr("config").stdout.endswith(f"\n{project}{asks}allowed:\n{line}")
    assert '"asks": [' in buildr("config", "--json").stdout
    assert "asks for" not in buildr("config", "--no-project-config").stdout
    assert engine.builds


def test_containerfile_marks_requests() -> None:
    configure(HOST_MOUNT)
    result = buildr("containerfile", "app.py")
    assert result.status == 0
    assert (
        "asks for more than its own folder and a private network: `buildr config` lists it"
        in result.stderr
    )
    assert "asks for" not in buildr("containerfile", "--no-project-config", "app.py").stderr


def test_every_command_that_uses_the_file_has_the_trust_flags() -> None:
    taken = {
        name: {word for param in command.params for word in param.opts}
        & {"--trust", "--no-project-config"}
        for name, command in app.commands.items()
    }
    acting = {"run", "build", "push", "shell", "quadlet", "eject"}
    assert {name for name, words in taken.items() if "--trust" in words} == acting
    showing = {"config", "containerfile"}
    assert {name for name, words in taken.items() if words} == acting | showing


def test_requests_of_the_decorator_are_shown_once_without_a_question(engine: FakeBackend) -> None:
    Path("app.py").write_text(
        "from buildr import Containerize\n"
        "@Containerize(runtime={'mounts': ['/srv:/srv', './data:/data'], 'env': {'TOKEN': None}})\n"
        "def main():\n    pass\nmain()\n"
    )
    Path("data").mkdir()
    first = script("app.py")
    assert first.status == 0
    assert (
        "buildr: the decorator asks for more than its own folder and a private network (said once):\n"
        "  runtime.env: your variable TOKEN\n"
        "  runtime.mounts: /srv of this host, to read and write\n"
    ) in first.stderr
    assert "asks for" not in script("app.py").stderr
    assert "The decorator asks for" in buildr("config", "app.py").stdout
    assert len(engine.runs) == 2


def test_requests_of_a_quiet_decorator_are_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    own = Layer(
        package=read_package({"quiet": True}),
        runtime=read_runtime({"env": {"A": None}}),
        origin=DECORATOR,
    )
    settings = settled(own)
    assert settings.shows
    plan_image("image", settings)
    assert capfd.readouterr().err == ""


# On a terminal ------------------------------------------------------------------------------------


def test_on_a_terminal_the_question_is_asked_once(project: Path) -> None:
    configure(HOST_MOUNT)
    for _ in range(2):
        with OnTerminal("../command/terminal.py", "build", "app.py", cwd=project) as terminal:
            if b"asks for" not in terminal.all and not Path("../cache/buildr/trust").exists():
                terminal.wait_for(
                    b"Allow it to this project, until it asks for something else? [y/N] "
                )
                assert (
                    b"tool.buildr.runtime.mounts: /srv of this host, to read and write"
                    in terminal.all
                )
                terminal.type(b"y\n")
            terminal.wait_for(b"localhost/buildr/app:latest")
            assert terminal.end() == 0
    assert b"asks for" not in terminal.all


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"yeah\n", b"\x04"])
def test_any_other_answer_is_no(project: Path, answer: bytes) -> None:
    configure(HOST_MOUNT)
    with OnTerminal("../command/terminal.py", "build", "app.py", cwd=project) as terminal:
        terminal.wait_for(b"[y/N] ")
        terminal.type(answer)
        terminal.wait_for(b"pyproject.toml asks for was not allowed")
        assert terminal.end() == 125


def test_earlier_input_is_not_an_answer(project: Path) -> None:
    configure(HOST_MOUNT)
    with OnTerminal("../command/terminal.py", "build", "app.py", cwd=project) as terminal:
        terminal.type(b"y\n")
        terminal.wait_for(b"[y/N] ")
        terminal.type(b"n\n")
        terminal.wait_for(b"was not allowed")
        assert terminal.end() == 125


def test_ctrl_c_at_the_question_ends_the_run(project: Path) -> None:
    configure(HOST_MOUNT)
    with OnTerminal("../command/terminal.py", "build", "app.py", cwd=project) as terminal:
        terminal.wait_for(b"[y/N] ")
        terminal.type(b"\x03")
        terminal.wait_for(b"cancelled")
        assert terminal.end() == 0


def test_a_very_long_list_is_refused_without_a_question(project: Path) -> None:
    configure("tool.buildr.runtime.env = [" + ",".join(f"'A{n}'" for n in range(99)) + "]\n")
    with OnTerminal("../command/terminal.py", "build", "app.py", cwd=project) as terminal:
        terminal.wait_for(b"If you trust this project, say so once: --trust")
        assert terminal.end() == 125
