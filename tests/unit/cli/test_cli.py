"""The command line: parsing, errors, and help."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner, Result

import buildr
from buildr.cli import app, foreign
from buildr.engines import registry
from buildr.errors import BuildrError, Message, OptionName
from buildr.options import Port, Tmpfs
from buildr.options.networks import Network
from buildr.options.ulimits import Ulimit
from buildr.runners import engine
from buildr.runners import plan as run_plans
from buildr.testing import FakeBackend, using

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildr.options import Package, Runtime
    from buildr.plan.entry import Entry
    from buildr.runners.choice import Choices
    from buildr.runners.plan import RunPlan

COMMANDS = (
    *("init", "run", "shell", "build", "push", "containerfile", "eject", "quadlet"),
    *(
        "ps",
        "logs",
        "exec",
        "port",
        "stop",
        "images",
        "prune",
        "config",
        "doctor",
        "base",
        "completion",
        "help",
    ),
)


class Call:
    """The arguments of the run of a command line."""

    entry: Entry
    package: Package
    runtime: Runtime
    choices: Choices
    cache: bool


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app.py").write_text("print('hello')\n")
    monkeypatch.chdir(tmp_path)
    for name in ("BUILDR_BACKEND", "BUILDR_BASE_IMAGE", "METAPARTICLE_IN_CONTAINER", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "0")
    return tmp_path


@pytest.fixture(autouse=True)
def no_engine() -> Iterator[None]:
    with using({}):
        yield


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    found = Call()

    def run(plan: RunPlan, signals: object) -> int:
        assert signals
        assert all(name.startswith(("package.", "runtime.")) for name in plan.settings.origins)
        assert plan.entry is not None
        found.entry, found.package, found.runtime = plan.entry, plan.package, plan.runtime
        found.choices = plan.choices
        found.cache = plan.cache
        return 7

    monkeypatch.setattr(engine, "run", run)
    # With any options.
    monkeypatch.setattr(run_plans, "plan", lambda *_, **_given: None)
    return found


def buildr_command(*words: str) -> Result:
    # Like a terminal of 80 columns, of which click leaves two free.
    return CliRunner().invoke(app, words, prog_name="buildr", terminal_width=78)


def refused(capfd: pytest.CaptureFixture[str], *words: str, status: int = 2) -> str:
    """Run a command that must fail; return its message."""
    result = buildr_command(*words)
    assert result.exit_code == status
    return capfd.readouterr().err + result.stderr


# Help ---------------------------------------------------------------------------------------------


def test_the_version_is_that_of_the_package() -> None:
    assert buildr_command("--version").output == f"buildr {buildr.__version__}\n"


def test_the_help_lists_the_commands_in_the_order_of_need() -> None:
    lines = buildr_command("--help").output.splitlines()
    first_words = [line.split()[0] for line in lines if line.startswith("  ") and line.split()]
    assert [word for word in first_words if word in COMMANDS] == list(COMMANDS)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_line_of_a_help_is_wider_than_a_terminal(command: str) -> None:
    result = buildr_command(*command.split(), "--help")
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_no_text_of_a_command_is_truncated(command: str) -> None:
    line = next(
        line for line in buildr_command("-h").output.splitlines() if line.startswith(f"  {command}")
    )
    assert not line.endswith("...")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_has_no_markers_for_click(command: str) -> None:
    assert "\\b" not in buildr_command(command, "--help").output


def test_commands_in_the_help_are_on_separate_lines() -> None:
    lines = buildr_command("completion", "--help").output.splitlines()
    assert [line.split()[0] for line in lines if "buildr completion " in line] == [
        *("Usage:", "bash:", "zsh:", "fish:")
    ]


def test_the_help_has_a_section_for_each_kind_of_option() -> None:
    output = buildr_command("run", "--help-all").output
    headings = [line for line in output.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == ["Build options:", "Image options:", "Container options:", "Other options:"]


def test_every_option_of_a_run_has_a_help_text() -> None:
    options = [param for param in app.commands["run"].params if isinstance(param, click.Option)]
    assert len(options) > 20
    assert [option.name for option in options if not option.help and not option.hidden] == []


def test_the_short_help_of_a_run_shows_ten_options() -> None:
    lines = buildr_command("run", "--help").output.splitlines()
    shown = [
        line.split("  ")[1] for line in lines if line.startswith("  -") and line.strip() != "-"
    ]
    names = [name.split()[-2] if name[-1].isupper() or "]" in name else name for name in shown]
    assert [name.split(", ")[-1] for name in names] == [
        *("--py-version", "--dependency", "--system-package"),
        *("--port", "--env", "--mount", "--detach", "--output"),
        *("--backend", "--watch", "--help-all", "--help"),
    ]


@pytest.mark.parametrize("columns", [40, 60, 100, 120])
@pytest.mark.parametrize("words", [("run", "--help"), ("shell", "--help"), ("build", "-h")])
def test_a_help_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = CliRunner().invoke(app, words).output.partition("Environment:")[0].splitlines()
    assert columns - 20 < max(map(len, lines)) <= columns


@pytest.mark.parametrize("command", COMMANDS)
def test_help_with_a_command_equals_the_help_option_of_the_command(command: str) -> None:
    assert buildr_command("help", command).output == buildr_command(command, "-h").output


def test_help_without_a_command_lists_the_commands() -> None:
    assert buildr_command("help").output == buildr_command("--help").output


def test_help_for_an_unknown_command_names_the_nearest() -> None:
    result = buildr_command("help", "rnu")
    assert result.exit_code == 2
    assert "Did you mean 'run'?" in result.output


def test_the_help_says_that_files_in_the_container_are_lost() -> None:
    assert "go with the container" in buildr_command("run", "--help").output


def test_reading_a_command_line_imports_neither_engines_nor_templates() -> None:
    code = (
        "import sys\nfrom buildr.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'docker', 'podman', 'jinja2', 'rich', 'requests', 'buildr_backends', 'buildr.runners.engine', 'buildr.runners.session'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stderr == b"[]\n"


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "buildr", "--version"], capture_output=True, check=True
    )
    assert done.stdout.decode() == f"buildr {buildr.__version__}\n"


# Where the options end ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("-q", "--name", "x"),
        ("--", "-m", "other"),
        ("a b", "$HOME", "'", "ü", ""),
        ("-p", "80"),
    ],
)
def test_arguments_after_the_script_belong_to_it(call: Call, words: tuple[str, ...]) -> None:
    assert buildr_command("run", "-q", "app.py", *words).exit_code == 7
    assert call.entry.arguments == words
    assert call.package.quiet
    assert call.package.name is None


@pytest.mark.parametrize(
    "flags", [("-m",), ("-qm",), ("--cpus", "2", "-qm"), ("--memory=1g", "-m")]
)
@pytest.mark.parametrize("words", [("--help",), ("-q", "-m", "other"), ("--", "x")])
def test_arguments_after_the_module_belong_to_it(
    call: Call, flags: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert buildr_command("run", *flags, "http.server", *words).exit_code == 7
    assert (call.entry.module, call.entry.arguments) == ("http.server", words)


def test_a_module_may_be_given_in_one_word(call: Call) -> None:
    buildr_command("run", "-mjson.tool", "-h")
    assert (call.entry.module, call.entry.arguments) == ("json.tool", ("-h",))


def test_a_script_whose_name_begins_with_a_dash_follows_two_dashes(
    call: Call, project: Path
) -> None:
    (project / "-app.py").touch()
    buildr_command("run", "--", "-app.py", "-x")
    assert (call.entry.script, call.entry.arguments) == (str(project / "-app.py"), ("-x",))


def test_an_option_value_that_looks_like_an_option_is_a_value(call: Call) -> None:
    buildr_command("run", "--name", "app", "-e", "-m", "app.py", "x")
    assert (call.entry.script[-6:], call.runtime.env) == ("app.py", {"-m": None})


# Options ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "option", "value"),
    [
        ("--py-version 3.12", "py_version", "3.12"),
        ("--variant slim", "variant", "slim"),
        ("--base-image python:3.12", "base_image", "python:3.12"),
        ("--context .", "context", "."),
        ("--dependencies-file r.txt", "dependencies_file", "r.txt"),
        ("--dependency a>=1 --dependency b", "dependencies", ("a>=1", "b")),
        ("--extra cli --extra web", "extras", ("cli", "web")),
        ("--group dev", "groups", ("dev",)),
        ("--system-package git", "system_packages", ("git",)),
        ("--user root", "user", "root"),
        ("-u 0", "user", "root"),
        ("-u 0:0", "user", "root"),
        ("--dockerfile D", "dockerfile", "D"),
        ("--include-secrets", "include_secrets", True),
        ("--pull", "pull", True),
        ("--wheel-cache", "wheel_cache", True),
        ("--builder docker", "builder", "docker"),
        ("--name hello", "name", "hello"),
        ("--tag v1", "tag", "v1"),
        ("--repository localhost:5000/me", "repository", "localhost:5000/me"),
        ("--repository r.example/me --push", "publish", True),
        ("--verbose", "verbose", True),
        ("--quiet", "quiet", True),
        ("-q", "quiet", True),
    ],
)
def test_a_flag_of_the_image_sets_the_decorator_s_option(
    call: Call, words: str, option: str, value: Any
) -> None:
    assert buildr_command("run", *words.split(), "app.py").exit_code == 7
    assert getattr(call.package, option) == value


@pytest.mark.parametrize(
    ("words", "option", "value"),
    [
        ("--public", "public", True),
        ("--cpus 1.5", "cpus", 1.5),
        ("--memory 512m", "memory", 512 << 20),
        ("--shm-size 256m", "shm_size", 256 << 20),
        ("--network backend", "network", (Network("backend"),)),
        ("--network a --network b:alias=c", "network", (Network("a"), Network("b", ("c",)))),
        ("--pids-limit 100", "pids_limit", 100),
        (
            "--ulimit nofile=1:2 --ulimit core=0",
            "ulimits",
            (Ulimit("nofile", 1, 2), Ulimit("core", 0, 0)),
        ),
        ("--device /dev/fuse --device a.b/c=d", "devices", ("/dev/fuse", "a.b/c=d")),
        ("--gpus all", "gpus", -1),
        ("--gpus 2", "gpus", 2),
        ("--gpus device=0,1", "gpus", ("0", "1")),
        ("--hardened", "hardened", True),
        ("--live", "mount_source", True),
        ("--keep", "keep", True),
        ("--detach", "detach", True),
        ("-d", "detach", True),
        ("--debug 7000", "debug", Port("127.0.0.1", 7000, 7000)),
        ("--grace-seconds 0.5", "grace_seconds", 0.5),
        ("--interrupt guest", "interrupt", "guest"),
        ("--container-name box", "name", "box"),
        ("--env-file .env --env-file b", "env_file", (".env", "b")),
        ("--tmpfs /a:size=1k", "tmpfs", (Tmpfs("/a", 1024),)),
        ("-e A=1 --env B= -e C -e D=x=y", "env", {"A": "1", "B": "", "C": None, "D": "x=y"}),
    ],
)
def test_a_flag_of_the_container_sets_the_decorator_s_option(
    call: Call, words: str, option: str, value: Any
) -> None:
    assert buildr_command("run", *words.split(), "app.py").exit_code == 7
    assert getattr(call.runtime, option) == value


def test_flags_of_container_engines_have_the_same_meaning(call: Call) -> None:
    words = "--rm -it --init -p 8080:80 --publish 81 --volume ./a:/a -v b2:/b:ro -u root"
    assert buildr_command("run", *words.split(), "app.py").exit_code == 7
    assert [(port.host, port.container) for port in call.runtime.ports] == [(8080, 80), (81, 81)]
    assert [mount.target for mount in call.runtime.mounts] == ["/a", "/b"]
    assert call.package.user == "root"
    assert not call.package.publish


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("-w /src", "cd"),
        ("--workdir=/src", "cd"),
        ("--with requests", "--dependency"),
        ("--entrypoint sh", "buildr shell"),
        ("--privileged", "--device"),
        ("-P", "--port"),
        ("--python 3.12", "--py-version"),
        ("-f Dockerfile", "--dockerfile"),
    ],
)
@pytest.mark.parametrize("command", ["run", "shell", "build"])
def test_other_flags_of_engines_are_answered_with_ours(
    command: str, words: str, advice: str
) -> None:
    result = buildr_command(command, *words.split(), "app.py")
    assert result.exit_code == 2
    assert advice in result.output.partition("No such option")[2]


@pytest.mark.parametrize(
    ("command", "ours"), [("rm", "stop"), ("ls", "ps"), ("kill", "stop"), ("attach", "logs -f")]
)
def test_commands_of_container_engines_are_answered_with_ours(command: str, ours: str) -> None:
    result = buildr_command(command, "x")
    assert result.exit_code == 2
    assert f"Use: buildr {ours}" in result.output


def test_answers_to_flags_of_engines_name_existing_flags() -> None:
    for name, command in app.commands.items():
        taken = {flag for param in command.params for flag in param.opts}
        assert name not in foreign.COMMANDS
        if name in {"run", "shell"}:
            assert taken.isdisjoint(foreign.FLAGS)
    taken = {
        flag for command in app.commands.values() for param in command.params for flag in param.opts
    }
    for hint in foreign.FLAGS.values():
        assert set(re.findall(r"--[a-z-]+", hint)) <= taken
    for line in foreign.COMMANDS.values():
        assert line.split()[0] in app.commands


def test_a_run_without_cache_builds_every_step_again(call: Call) -> None:
    assert buildr_command("run", "--no-cache", "app.py").exit_code == 7
    assert not call.cache
    assert buildr_command("run", "app.py").exit_code == 7
    assert call.cache


def test_ports_and_mounts_are_repeatable(call: Call) -> None:
    buildr_command(
        "run", "-p", "80", "--port", "8080:81/udp", "-v", "./a:/a", "-v", "b2:/b:ro", "app.py"
    )
    assert [(port.host, port.container) for port in call.runtime.ports] == [(80, 80), (8080, 81)]
    assert [mount.target for mount in call.runtime.mounts] == ["/a", "/b"]


def test_an_additional_file_has_a_source_a_destination_and_an_optional_mode(call: Call) -> None:
    buildr_command(
        "run", "--additional-file", "a:/etc/a", "--additional-file", "b:/etc/b:0400", "app.py"
    )
    files = [(file.src, file.dest, file.mode) for file in call.package.additional_files]
    assert files == [("a", "/etc/a", None), ("b", "/etc/b", "0400")]


def test_options_that_are_not_given_have_the_decorator_s_defaults(call: Call) -> None:
    buildr_command("run", "app.py")
    from buildr.options import package_options, runtime_options

    assert call.package == package_options(None)
    assert call.runtime == runtime_options(None)
    assert call.choices.executor.origin == "default"


def test_the_backend_is_a_flag(call: Call) -> None:
    buildr_command("run", "--backend", "docker", "app.py")
    assert (call.choices.executor.name, call.choices.executor.origin) == ("docker", "--backend")


@pytest.mark.parametrize("option", ["--base-image=other", "--py-version=3.12", "--variant=slim"])
def test_a_flag_about_the_base_image_wins_over_the_variable(
    monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("BUILDR_BASE_IMAGE", "from-the-variable")
    assert "from-the-variable" not in buildr_command("containerfile", option, "app.py").output


def test_without_such_a_flag_the_variable_names_the_base_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUILDR_BASE_IMAGE", "from-the-variable")
    assert "from-the-variable" in buildr_command("containerfile", "app.py").output


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--py-version 2.7", "--py-version cannot be '2.7'"),
        ("-p http", "--port cannot be 'http'"),
        ("-p 80 -p 1:2:3:4", "--port cannot be '1:2:3:4'"),
        ("--memory 1k", "--memory cannot be '1k': it is less than 6 MiB"),
        ("--cpus many", "--cpus cannot be 'many'"),
        ("--cpus nan", "--cpus cannot be 'nan'"),
        ("--grace-seconds soon", "--grace-seconds cannot be 'soon'"),
        ("--interrupt both", "--interrupt cannot be 'both'"),
        ("-e =1", "--env cannot be ''"),
        ("-e BUILDR_IN_CONTAINER=0", "--env cannot be 'BUILDR_IN_CONTAINER': it is reserved"),
        ("-v ./a:b", "--mount cannot be 'b': it is not absolute"),
        ("--additional-file a", "--additional-file cannot be 'a'"),
        ("--additional-file a:b", "--additional-file dest cannot be 'b': it is not absolute"),
        ("--push", "--push needs --repository"),
        ("--base-image x --variant slim", "--variant has no effect beside --base-image"),
        ("--verbose --quiet", "--verbose and --quiet cannot be combined"),
        ("--user me", "--user cannot be 'me'"),
        ("--name Hello", "--name cannot be 'Hello': it has upper-case letters"),
    ],
)
def test_an_invalid_value_is_reported_with_its_flag(
    capfd: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    text = refused(capfd, "run", *words.split(), "app.py")
    assert text.startswith(f"buildr: error: {said}")
    assert "accepted" in text
    assert "package." not in text
    assert "runtime." not in text


def test_all_invalid_values_of_a_container_are_reported_together(
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = refused(capfd, "run", "--cpus", "x", "--memory", "y", "-p", "z", "app.py")
    assert "3 options are invalid" in text
    assert all(f"- {flag} cannot be" in text for flag in ("--cpus", "--memory", "--port"))


def test_an_error_does_not_mention_dicts(capfd: pytest.CaptureFixture[str]) -> None:
    assert "dict {" not in refused(capfd, "run", "-v", "a", "app.py")


def test_advice_names_flags_on_the_command_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_arguments: object) -> int:
        raise BuildrError(
            Message(
                "no such image for ", OptionName("runtime.ports", (1, ".host")), "; see package.tag"
            ),
            hint=Message(
                "Another: ",
                OptionName("package.base_image"),
                ", or ",
                OptionName("package.pull"),
                ". See ",
                OptionName("package.nothing"),
                ".",
            ),
        )

    monkeypatch.setattr(engine, "run", run)
    assert refused(capfd, "run", "app.py", status=125) == (
        "buildr: error: no such image for --port host; see package.tag\n"
        "Another: --base-image, or --pull. See package.nothing.\n"
    )


@pytest.mark.parametrize("command", ["run", "shell", "build", "containerfile"])
def test_a_missing_script_is_an_error(capfd: pytest.CaptureFixture[str], command: str) -> None:
    text = refused(capfd, command, "nope.py")
    assert text == "buildr: error: there is no script nope.py\nGive the path of a Python file.\n"


@pytest.mark.parametrize("command", ["run", "build", "containerfile"])
def test_a_missing_script_or_module_is_a_usage_error(
    capfd: pytest.CaptureFixture[str], command: str
) -> None:
    assert "Missing argument 'SCRIPT'" in refused(capfd, command, status=2)


@pytest.mark.parametrize("command", ["build", "containerfile"])
def test_only_a_run_takes_arguments_for_the_script(
    capfd: pytest.CaptureFixture[str], command: str
) -> None:
    assert "unexpected extra argument" in refused(capfd, command, "app.py", "x", status=2)


@pytest.mark.parametrize("command", ["build", "containerfile"])
def test_a_script_and_a_module_are_a_usage_error(
    capfd: pytest.CaptureFixture[str], command: str
) -> None:
    assert "not both" in refused(capfd, command, "-m", "json.tool", "app.py", status=2)


def test_a_misspelt_option_gets_a_suggestion(capfd: pytest.CaptureFixture[str]) -> None:
    assert "'--py-version'" in refused(capfd, "run", "--pyversion", "3", "app.py", status=2)


def test_a_misspelt_command_gets_a_suggestion(capfd: pytest.CaptureFixture[str]) -> None:
    assert "'doctor'" in refused(capfd, "docter", status=2)


@pytest.mark.parametrize("script", ["app.py", "not-there.py", "tool"])
def test_a_script_in_place_of_a_command_is_answered_with_buildr_run(
    capfd: pytest.CaptureFixture[str], project: Path, script: str
) -> None:
    (project / "tool").touch()
    assert f"To run a script: buildr run {script}" in refused(capfd, script, status=2)


# Modules ------------------------------------------------------------------------------------------


@pytest.fixture
def package(project: Path) -> Path:
    directory = project / "pkg"
    directory.mkdir()
    (directory / "__init__.py").write_text("raise SystemExit('imported on the host')\n")
    (directory / "__main__.py").touch()
    (directory / "tool.py").touch()
    return directory


@pytest.mark.parametrize(("name", "file"), [("pkg", "__main__.py"), ("pkg.tool", "tool.py")])
def test_a_module_is_found_without_importing_anything(
    call: Call, package: Path, name: str, file: str
) -> None:
    assert buildr_command("run", "-m", name).exit_code == 7
    assert call.entry.kind == "module"
    assert call.entry.script == str(package / file)
    assert call.entry.import_root == str(package.parent)


def test_a_module_is_found_by_pythonpath_too(
    call: Call, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f":{package}")
    buildr_command("run", "-m", "tool")
    assert (call.entry.script, call.entry.import_root) == (str(package / "tool.py"), str(package))


def test_a_module_that_is_not_found_is_left_to_the_image(call: Call, project: Path) -> None:
    assert buildr_command("run", "-m", "http.server", "8000").exit_code == 7
    assert (call.entry.script, call.entry.import_root) == ("", str(project))


def test_a_folder_without_a_package_does_not_hide_a_module_of_the_image(
    call: Call, project: Path
) -> None:
    (project / "build").mkdir()
    assert buildr_command("run", "-m", "build").exit_code == 7
    assert call.entry.script == ""


def test_the_containerfile_of_a_module_of_the_image_needs_no_script() -> None:
    output = buildr_command("containerfile", "-q", "-m", "http.server").output
    assert '\nCMD ["python", "-u", "-m", "http.server"]\n' in output


@pytest.mark.usefixtures("package")
def test_a_missing_module_of_a_local_package_is_an_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = refused(capfd, "run", "-m", "pkg.missing")
    assert "there is no module pkg.missing" in text
    assert "pkg/missing.py" in text


def test_a_path_in_place_of_a_module_is_refused_with_advice(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert "leave -m out" in refused(capfd, "run", "-m", "./app.py")


# Containerfile ------------------------------------------------------------------------------------


def test_the_containerfile_goes_to_standard_output_and_notes_to_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    result = buildr_command("containerfile", "--py-version", "3.12", "app.py")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1] == "FROM docker.io/library/python:3.12-alpine"
    assert '\nCMD ["python", "-u", "/app/app.py"]\n' in result.stdout
    assert "nothing is installed" in capfd.readouterr().err


def test_quiet_leaves_the_notes_out(capfd: pytest.CaptureFixture[str]) -> None:
    assert buildr_command("containerfile", "-q", "app.py").exit_code == 0
    assert capfd.readouterr().err == ""


def test_printing_the_containerfile_does_not_change_the_project(project: Path) -> None:
    before = sorted(project.rglob("*"))
    buildr_command("containerfile", "app.py")
    assert sorted(project.rglob("*")) == before


def test_logins_in_the_user_s_containerfile_are_not_printed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BUILDR_PACKAGE_DOCKERFILE", "Dockerfile")
    text = b"FROM x\nRUN pip install --index-url https://me:hunter2@h/simple \xff\n"
    (project / "Dockerfile").write_bytes(text)
    result = buildr_command("containerfile", "app.py")
    assert result.stdout_bytes == text.replace(b"hunter2", b"****")
    assert "logins in URLs are printed as ****" in capfd.readouterr().err


# Doctor -------------------------------------------------------------------------------------------


def test_doctor_exits_with_1_if_no_engine_is_usable() -> None:
    result = buildr_command("doctor")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("Scripts cannot run")


def test_doctor_exits_with_0_if_the_named_engine_works() -> None:
    with using({"docker": FakeBackend(name="docker")}):
        result = buildr_command("doctor", "--backend", "docker", "--base-image", "python:3.12")
    assert result.exit_code == 0
    assert "docker.io/library/python:3.12 is not stored" in " ".join(result.output.split())


def test_doctor_prints_json() -> None:
    found = json.loads(buildr_command("doctor", "--json").output)
    assert not found["usable"]
    assert {"name", "status", "text", "fix", "advice"} == set(found["checks"][0])


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_doctor_prints_colours_unless_disabled(
    monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    output = CliRunner().invoke(app, ["doctor"], color=True).output
    assert (click.style("fail", fg="red") in output) == coloured


def test_an_unknown_backend_is_an_error_of_doctor_too(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "substitute", None)
    assert "there is no backend 'nope'" in refused(capfd, "doctor", "--backend", "nope")
