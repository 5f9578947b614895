"""The sources of options: `[tool.buildr]`, variables, the decorator, flags; and their precedence."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildr.config import Layer, settle
from buildr.config.project_file import read_project_file
from buildr.config.variables import read_variables
from buildr.engines.registry import Choice, choose_both
from buildr.errors import OptionError
from buildr.options import OPTIONS, Mount, PackageOptions, read_package, read_runtime
from buildr.plan.entry import Entry
from buildr.testing import FakeBackend, ScriptResult, run_script, using
from tests.unit.command import command_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildr.config import Settings
    from buildr.options import Package, Runtime

DECORATED = """\
from buildr import Containerize

@Containerize(package={package}, runtime={runtime})
def main():
    raise SystemExit("this ran on the host")

main()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return command_project(tmp_path, monkeypatch, "")


@pytest.fixture
def engine() -> Iterator[FakeBackend]:
    with using(FakeBackend()) as backend:
        yield backend


def configure(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)


def decorate(project: Path, package: object = None, runtime: object = None) -> None:
    (project / "app.py").write_text(DECORATED.format(package=package, runtime=runtime))


def buildr(*words: str) -> ScriptResult:
    return run_script("../command/tool.py", *words)


def settled(own: dict[str, Any] | None = None, *, on_command_line: bool = False) -> Settings:
    own = own or {}
    entry = Entry(kind="script", script=str(Path("app.py").absolute()))
    return settle(
        entry,
        Layer(
            package=read_package(own.get("package")),
            runtime=read_runtime(own.get("runtime")),
            origin="--x" if on_command_line else "the decorator",
            is_command_line=on_command_line,
        ),
    )


# Precedence -------------------------------------------------------------------------------------------


def set_tags(project: Path, monkeypatch: pytest.MonkeyPatch, places: tuple[str, ...]) -> None:
    """Set the tag in each of these places, to the name of the place."""
    if "file" in places:
        configure(project, '[tool.buildr.package]\ntag = "from-file"\n')
    if "variable" in places:
        monkeypatch.setenv("BUILDR_PACKAGE_TAG", "from-variable")
    decorate(project, {"tag": "from-decorator"} if "decorator" in places else {})


@pytest.mark.parametrize(
    ("places", "holds"),
    [
        ((), "latest"),
        (("file",), "from-file"),
        (("file", "decorator"), "from-decorator"),
        (("file", "decorator", "variable"), "from-variable"),
        (("file", "variable"), "from-variable"),
    ],
)
def test_precedence_in_a_decorated_script_is_variable_decorator_file(
    project: Path,
    engine: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
    places: tuple[str, ...],
    holds: str,
) -> None:
    set_tags(project, monkeypatch, places)
    assert run_script("app.py").status == 0
    assert engine.builds[0].tags == (f"localhost/buildr/app:{holds}",)


@pytest.mark.parametrize(
    ("places", "holds"),
    [
        (("file",), "from-file"),
        (("file", "decorator"), "from-decorator"),
        (("file", "decorator", "variable"), "from-variable"),
        (("file", "decorator", "variable", "flag"), "from-flag"),
        (("file", "variable"), "from-variable"),
        (("decorator", "flag"), "from-flag"),
    ],
)
def test_precedence_of_the_command_is_flag_variable_decorator_file(
    project: Path,
    engine: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
    places: tuple[str, ...],
    holds: str,
) -> None:
    set_tags(project, monkeypatch, places)
    flags = ("--tag", "from-flag") if "flag" in places else ()
    assert buildr("build", *flags, "app.py").status == 0
    assert engine.builds[0].tags == (f"localhost/buildr/app:{holds}",)


def test_an_option_set_to_its_default_counts_as_given(project: Path) -> None:
    configure(project, "[tool.buildr.package]\nverbose = true\ntag = 'v1'\n")
    assert settled({"package": {"verbose": False}}).package.verbose is False
    # Typed options do not show which ones were omitted.
    assert settled({"package": PackageOptions(verbose=False)}).package.verbose is True


def test_none_counts_as_not_given(project: Path) -> None:
    configure(project, "[tool.buildr.runtime]\nmemory = '64m'\n")
    assert settled({"runtime": {"memory": None}}).runtime.memory == 64 * 1024 * 1024


def test_the_environment_is_merged_by_variable(project: Path) -> None:
    configure(project, '[tool.buildr.runtime]\nenv = ["A=file", "B=file", "HOST"]\n')
    found = settled({"runtime": {"env": {"A": "own", "C": "own"}}})
    assert found.runtime.env == {"A": "own", "B": "file", "HOST": None, "C": "own"}
    path = project / "pyproject.toml"
    assert found.origins["runtime.env"] == f"the decorator, {path}"


def test_a_higher_place_replaces_conflicting_options(project: Path) -> None:
    configure(project, '[tool.buildr.package]\nvariant = "slim"\nextras = ["cli"]\nquiet = true\n')
    package = settled(
        {"package": {"base_image": "python:3.12", "dependencies": [], "verbose": True}}
    ).package
    assert (package.base_image, package.variant) == ("python:3.12", None)
    assert (package.dependencies, package.extras) == ((), ())
    assert (package.verbose, package.quiet) == (True, False)


def test_options_of_one_place_may_depend_on_those_of_another(
    project: Path, engine: FakeBackend
) -> None:
    configure(project, '[tool.buildr.package]\nrepository = "registry.example/me"\n')
    decorate(project, {"publish": True})
    assert run_script("app.py").status == 0
    assert [push.reference for push in engine.pushed] == ["registry.example/me/app:latest"]


# The engine -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "runtime", "chosen"),
    [
        ({}, {}, "from-file"),
        ({}, {"executor": "from-decorator"}, "from-decorator"),
        ({"BUILDR_BACKEND": "docker"}, {"executor": "from-decorator"}, "docker"),
    ],
)
def test_the_engine_is_chosen_in_the_same_order(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    runtime: dict[str, Any],
    chosen: str,
) -> None:
    configure(project, '[tool.buildr]\nbackend = "from-file"\n')
    decorate(project, None, runtime)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with using({chosen: FakeBackend()}) as engines:
        assert run_script("app.py").status == 0
    assert engines[chosen].runs  # type: ignore[union-attr] # it is not an error


def test_the_flag_precedes_the_file(project: Path) -> None:
    configure(project, '[tool.buildr]\nbackend = "from-file"\n')
    docker, from_file = FakeBackend(), FakeBackend()
    with using({"docker": docker, "from-file": from_file}):
        assert buildr("build", "--backend", "docker", "app.py").status == 0
        assert (bool(docker.builds), bool(from_file.builds)) == (True, False)
        docker.builds.clear()
        assert buildr("build", "app.py").status == 0
        assert (bool(docker.builds), bool(from_file.builds)) == (False, True)


def test_an_invalid_engine_is_reported_with_its_file(project: Path) -> None:
    configure(project, '[tool.buildr]\nbackend = "podmn"\n')
    decorate(project)
    result = run_script("app.py")
    assert result.status == 125
    assert (
        f"there is no engine or runner 'podmn' (from {project}/pyproject.toml)"
        in result.stderr.decode()
    )


def test_an_invalid_engine_is_reported_with_its_own_origin(project: Path) -> None:
    configure(project, '[tool.buildr.runtime]\nexecutor = "docker"\n')
    engines = choose_both(*_options(settled({"package": {"builder": "podmn"}})))
    assert engines == (
        Choice(name="docker", origin=f"{project}/pyproject.toml"),
        Choice(name="podmn", origin="the decorator"),
    )


def _options(settings: Settings) -> tuple[Package, Runtime, Mapping[str, str]]:
    return settings.package, settings.runtime, settings.origins


# The file ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[tool.buildr.package]\nnmae = 'x'", "tool.buildr.package.nmae is not an option; did you mean 'name'?"),
        ("[tool.buildr.runtime]\nprots = []", "tool.buildr.runtime.prots is not an option; did you mean 'ports'?"),
        ("[tool.buildr]\nbackand = 'x'", "tool.buildr.backand is not an option; did you mean 'backend'?"),
        ("[tool.buildr.runtimes]", "tool.buildr.runtimes is not an option; did you mean 'runtime'?"),
        ("[tool.buildr.package]\ntag = 'a b'", "tool.buildr.package.tag cannot be 'a b'"),
        ("[tool.buildr.package]\npy_version = 3.1", "tool.buildr.package.py_version cannot be 3.1"),
        ("[tool.buildr.runtime]\nports = [80, 'x']", "tool.buildr.runtime.ports[1] cannot be 'x'"),
        ("[tool.buildr]\nbackend = 1", "tool.buildr.backend cannot be 1"),
        ("[tool.buildr]\npackage = 1", "tool.buildr.package cannot be 1"),
        ("tool.buildr = 1", "tool.buildr cannot be 1"),
    ],
)  # fmt: skip
def test_an_invalid_key_is_reported_with_its_file(project: Path, text: str, problem: str) -> None:
    configure(project, text)
    decorate(project)
    result = run_script("app.py")
    assert result.status == 125
    assert result.stderr.decode().startswith(f"buildr: error: {project}/pyproject.toml: {problem}")
    assert "\naccepted" in result.stderr.decode()
    # The command reports the same, and not as an error of a flag.
    assert buildr("run", "app.py").stderr == result.stderr


def test_options_that_conflict_are_reported_with_their_file(project: Path) -> None:
    configure(project, "[tool.buildr.package]\nvariant = 'slim'\nbase_image = 'x'\n")
    with pytest.raises(OptionError) as caught:
        settled()
    assert "package.variant has no effect beside package.base_image" in caught.value.what
    assert f"package.variant is from {project}/pyproject.toml" in caught.value.hint


@pytest.mark.parametrize("data", [b"[tool.buildr]\nbackend =\n", b"[tool.buildr]\n# \xff\n"])
def test_invalid_toml_is_reported(project: Path, data: bytes) -> None:
    (project / "pyproject.toml").write_bytes(data)
    with pytest.raises(OptionError, match=r"pyproject\.toml is not valid TOML: "):
        settled()


@pytest.mark.parametrize(
    "text",
    [
        "[tool.buildr.package]\ntag='v1'",
        "[ tool . buildr . package ]\ntag='v1'",
        '[tool."buildr".package]\ntag="v1"',
        "tool.buildr.package.tag='v1'",
        "[tool]\nbuildr = {package={tag='v1'}}",
        "[tool.'buildr']\npackage.tag='v1'",
    ],
)
def test_the_table_is_found_in_every_toml_spelling(project: Path, text: str) -> None:
    configure(project, text)
    assert settled().package.tag == "v1"


def test_camel_case_is_accepted_here_too(project: Path) -> None:
    configure(project, "[tool.buildr.package]\npyVersion = '3.12'\n")
    assert settled().package.py_version == "3.12"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[project]\nname = 'x'\n",
        "[project]\ndependencies = ['buildr-oci>=1', \"buildr\",\n]\n",
        "this mentions no such table and is not TOML [",
    ],
)
def test_without_the_table_nothing_is_parsed(project: Path, text: str) -> None:
    configure(project, text)
    program = (
        "import sys; from buildr.config.project_file import read_project_file as read;"
        "sys.modules.pop('tomllib', None);"  # coverage imports it
        "print(read(sys.argv[1]), 'tomllib' in sys.modules, 'difflib' in sys.modules)"
    )
    words = [sys.executable, "-c", program, str(project)]
    assert subprocess.check_output(words, text=True) == "None False False\n"


def test_paths_are_relative_to_the_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(
        project,
        "[tool.buildr.runtime]\n"
        'mounts = ["./data:/data:ro", "cache:/cache", "~/x:/x", "/srv:/srv"]\n',
    )
    (project.parent / "elsewhere").mkdir()
    monkeypatch.chdir(project.parent / "elsewhere")
    entry = Entry(kind="script", script=str(project / "app.py"))
    found = settle(entry, Layer(origin="the decorator")).runtime.mounts
    assert found == (
        Mount(f"{project}/data", "/data", read_only=True),
        Mount("cache", "/cache"),
        Mount("~/x", "/x"),
        Mount("/srv", "/srv"),
    )


def test_the_file_is_that_of_the_context(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(project, "[tool.buildr.package]\ntag = 'of-the-project'\n")
    (project / "src").mkdir()
    (project / "src" / "app.py").write_text("")
    script = Entry(kind="script", script=str(project / "src" / "app.py"))
    own = Layer(origin="the decorator")
    assert settle(script, own).package.tag == "of-the-project"
    named = Layer(origin="the decorator", package={"context": "src"})
    assert settle(script, named).package.tag == "latest"
    monkeypatch.chdir(project / "src")
    assert settle(script, own).package.tag == "of-the-project"


def test_what_changes_the_image_changes_its_fingerprint(project: Path, engine: FakeBackend) -> None:
    decorate(project)
    (project / ".containerignore").write_text(
        "pyproject.toml\n"
    )  # the file itself has changed, too
    engine.add_image("docker.io/library/python:3-alpine")
    engine.add_image("docker.io/library/python:3.11-alpine")
    builds = []
    for text in (
        "",
        "[tool.buildr.package]\npy_version = '3.11'\n",
        "[tool.buildr.runtime]\ncpus=2\n",
        "",
    ):
        configure(project, text)
        assert run_script("app.py").status == 0
        builds.append(len(engine.builds))
    assert builds == [1, 2, 2, 2]


@pytest.mark.parametrize(("target", "builds"), [("/app/cache", 2), ("/cache", 1)])
def test_nothing_is_copied_below_a_tmpfs_before_the_start(
    project: Path, engine: FakeBackend, target: str, builds: int
) -> None:
    decorate(project, None, {"tmpfs": [target]})
    for text in ("1", "2"):
        (project / "data.txt").write_text(text)
        assert run_script("app.py").status == 0
    assert len(engine.builds) == builds


def test_a_guest_reads_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(project, "[tool.buildr]\nthis = 'is wrong'\n")
    monkeypatch.setenv("BUILDR_PACKAGE_NOTHING", "either")
    decorate(project)
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "1")
    assert run_script("app.py").stderr == b"this ran on the host\n"


def test_the_command_reads_nothing_in_a_container_either(project: Path) -> None:
    configure(project, "[tool.buildr]\nthis = 'is wrong'\n")
    (project / "app.py").write_text("print('hello')\n")
    environ = {**os.environ, "BUILDR_IN_CONTAINER": "1"}
    words = [sys.executable, "-m", "buildr", "run", "app.py"]
    assert subprocess.check_output(words, env=environ, text=True).endswith("hello\n")


# Variables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "option", "value"),
    [
        ("BUILDR_PACKAGE_PY_VERSION", "3.10", "py_version", "3.10"),
        ("BUILDR_PACKAGE_PUBLISH", "true", "publish", True),
        ("BUILDR_PACKAGE_PUBLISH", "0", "publish", False),
        ("BUILDR_PACKAGE_DEPENDENCIES", '["rich>=13"]', "dependencies", ("rich>=13",)),
        ("BUILDR_PACKAGE_SYSTEM_PACKAGES", '["git"]', "system_packages", ("git",)),
    ],
)
def test_a_variable_sets_an_option(name: str, text: str, option: str, value: object) -> None:
    layer = read_variables({name: text, "HOME": "/"})
    assert layer.package == {option: value}
    assert layer.origin_of(f"package.{option}") == name


def test_variables_set_options_of_the_run_too() -> None:
    found = read_variables(
        {
            "BUILDR_RUNTIME_CPUS": "1.5",
            "BUILDR_RUNTIME_ENV": '{"A": "1", "HOST": null}',
            "BUILDR_RUNTIME_MEMORY": "64m",
            "BUILDR_RUNTIME_NAME": "",
        }
    ).runtime
    assert found == {"cpus": 1.5, "env": {"A": "1", "HOST": None}, "memory": 64 * 1024 * 1024}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("BUILDR_PACKAGE_TGA", "x", "BUILDR_PACKAGE_TGA is not a variable of Buildr; did you mean 'BUILDR_PACKAGE_TAG'?"),
        ("BUILDR_PACKAGE_BASE_IMAGE", "x", "BUILDR_PACKAGE_BASE_IMAGE is not a variable of Buildr; did you mean 'BUILDR_BASE_IMAGE'?"),
        ("BUILDR_PACKAGE_TAG", "a b", "BUILDR_PACKAGE_TAG cannot be 'a b'"),
        ("BUILDR_PACKAGE_PUBLISH", "maybe", "BUILDR_PACKAGE_PUBLISH cannot be 'maybe'"),
        ("BUILDR_RUNTIME_CPUS", "many", "BUILDR_RUNTIME_CPUS cannot be 'many'"),
        ("BUILDR_RUNTIME_PORTS", "[0]", "BUILDR_RUNTIME_PORTS[0] cannot be 0"),
        ("BUILDR_RUNTIME_PORTS", "8080", "BUILDR_RUNTIME_PORTS cannot be a value of type str"),
    ],
)  # fmt: skip
def test_an_invalid_variable_is_named(name: str, text: str, problem: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_variables({name: text})
    assert caught.value.what.startswith(problem)
    assert caught.value.hint.startswith("accepted: ")


@pytest.mark.parametrize("text", ["TOKEN=hunter2", '{"TOKEN": ["hunter2"]}', '["hunter2", 3]'])
def test_errors_do_not_show_possible_secrets(text: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_variables({"BUILDR_RUNTIME_ENV": text})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", OPTIONS)
def test_every_option_has_a_variable(key: str) -> None:
    option = OPTIONS[key]
    if option.short_variable:
        assert option.variable == "BUILDR_BASE_IMAGE"
    else:
        assert option.variable == f"BUILDR_{option.group}_{option.name}".upper()
    with contextlib.suppress(OptionError):  # not for the name
        read_variables({option.variable: "[]"})
    with pytest.raises(OptionError, match="is not a variable of Buildr"):
        read_variables({f"BUILDR_{option.group}_{option.name}_".upper(): "[]"})


def test_a_directory_named_pyproject_toml_is_ignored(project: Path) -> None:
    (project / "pyproject.toml").mkdir()
    assert read_project_file(str(project)) is None


def test_lists_are_written_as_json() -> None:
    text = json.dumps(["8080", {"a": 1}])
    with pytest.raises(OptionError, match=r"BUILDR_RUNTIME_PORTS\[1\]"):
        read_variables({"BUILDR_RUNTIME_PORTS": text})
