"""Every option can be set in the decorator, in pyproject.toml, by a variable and by a flag, with the same effect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest
from msgspec import Struct
from msgspec.structs import replace

from buildr.cli.run import run
from buildr.cli.values import flags
from buildr.config import Layer, settle
from buildr.config.layers import DECORATOR
from buildr.errors import OptionError
from buildr.options import OPTIONS, read_package, read_runtime
from buildr.plan.entry import Entry
from buildr.plan.project import plan
from tests.unit.command import command_project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from buildr.config import Settings


class Sample(Struct):
    """One value, in the format of each place."""

    value: Any
    """In the decorator; the same as TOML in pyproject.toml, and as text or JSON in a variable."""
    flags: tuple[str, ...] = ()
    """What follows the flag, which is given for each; empty: the value's text, and nothing for a switch."""
    beside: str = ""
    """TOML that it needs: another option."""


ON = Sample(value=True)
SAMPLES = {
    "package.repository": [Sample("registry.example.org/me")],
    "package.name": [Sample("hello")],
    "package.tag": [Sample("v1"), Sample("3.10"), Sample("true"), Sample("123")],
    "package.publish": [Sample(value=True, beside='package.repository = "r.example/me"')],
    "package.py_version": [Sample("3.10"), Sample("3")],
    "package.variant": [Sample("slim")],
    "package.base_image": [Sample("registry.example.org/base:1")],
    "package.pull": [ON],
    "package.dockerfile": [Sample("Containerfile.own")],
    "package.dependencies_file": [Sample("lock.txt"), Sample("[a].txt")],
    "package.dependencies": [Sample(["rich>=13", "click"], flags=("rich>=13", "click"))],
    "package.extras": [Sample(["cli"], flags=("cli",))],
    "package.member": [Sample("web")],
    "package.groups": [Sample(["dev", "docs"], flags=("dev", "docs"))],
    "package.system_packages": [Sample(["git"], flags=("git",))],
    "package.additional_files": [
        Sample(["a.toml:/etc/a.toml:0440"], flags=("a.toml:/etc/a.toml:0440",)),
        Sample([{"src": "a", "dest": "/b"}], flags=("a:/b",)),
    ],
    "package.context": [Sample(".")],
    "package.user": [Sample("root")],
    "package.builder": [Sample("docker")],
    "package.verbose": [ON],
    "package.quiet": [ON],
    "package.include_secrets": [ON],
    "package.secrets": [
        Sample(["pip", "id=A,env=B"], flags=("pip", "id=A,env=B")),
        Sample([{"id": "a.txt", "src": "b"}], flags=("id=a.txt,src=b",)),
    ],
    "package.wheel_cache": [ON],
    "runtime.executor": [Sample("docker")],
    "runtime.ports": [
        Sample([8080, "0:9000"], flags=("8080", "0:9000")),
        Sample({"80/udp": 8080}, flags=("8080:80/udp",)),
    ],
    "runtime.public": [ON],
    "runtime.loopback_relay": [Sample(value=False)],
    "runtime.env": [
        Sample({"A": "b=c", "D": ""}, flags=("A=b=c", "D=")),
        Sample(["A=b", "HOST"], flags=("A=b", "HOST")),
    ],
    "runtime.env_file": [Sample(".env"), Sample([".env", "b"], flags=(".env", "b"))],
    "runtime.mounts": [
        Sample(["./data:/data:ro", "cache:/c"], flags=("./data:/data:ro", "cache:/c")),
        Sample([{"source": "v1", "target": "/v"}], flags=("v1:/v",)),
    ],
    "runtime.tmpfs": [Sample(["/t:size=64m"], flags=("/t:size=64m",))],
    "runtime.outputs": [
        Sample("out/*.csv", flags=("out/*.csv",)),
        Sample(["out/*.csv", "reports"], flags=("out/*.csv", "reports")),
    ],
    "runtime.cpus": [Sample(1.5), Sample(2)],
    "runtime.memory": [Sample("512m"), Sample(536870912)],
    "runtime.shm_size": [Sample("256m")],
    "runtime.pids_limit": [Sample(100)],
    "runtime.ulimits": [
        Sample(["nofile=1024:4096"], flags=("nofile=1024:4096",)),
        Sample({"nofile": [1024, 4096], "core": -1}, flags=("nofile=1024:4096", "core=-1")),
    ],
    "runtime.devices": [Sample(["/dev/fuse"], flags=("/dev/fuse",))],
    "runtime.gpus": [
        Sample("all"),
        Sample(2),
        Sample("device=0,1"),
        Sample([0, "GPU-1"], flags=("device=0,GPU-1",)),
    ],
    "runtime.network": [
        Sample("host"),
        Sample("back:alias=db"),
        Sample({"name": "back", "aliases": ["db"]}, flags=("back:alias=db",)),
        Sample(["back", "front:alias=web"], flags=("back", "front:alias=web")),
    ],
    "runtime.name": [Sample("web_1"), Sample("12")],
    "runtime.grace_seconds": [Sample(0.5), Sample(3)],
    "runtime.interrupt": [Sample("guest")],
    "runtime.interrupt_status": [Sample(130)],
    "runtime.hardened": [ON],
    "runtime.cache_home": [ON],
    "runtime.mount_source": [ON],
    "runtime.debug": [Sample(5678), Sample("127.0.0.2:7000"), Sample("[::1]:7000")],
    "runtime.keep": [ON],
    "runtime.detach": [ON],
    "runtime.healthcheck": [
        Sample("test -e /tmp/ready"),
        Sample("[ -e /tmp/ready ]"),
        Sample('[ "$A" = 1 ]'),
        Sample("{ true; }"),
        Sample("true"),
        Sample(["python", "check.py"]),
        Sample({"command": "test -e /x", "interval": 5, "retries": 2}),
    ],
    "runtime.restart": [Sample("on-failure:3")],
    "runtime.wait_for": [
        Sample("healthy"),
        Sample("log:[a-z]+ ready"),
        Sample(["log:one", "healthy"], flags=("log:one", "healthy")),
    ],
    "runtime.wait_seconds": [Sample(5)],
    "runtime.call_timeout": [Sample(30), Sample(0.5)],
    "runtime.call_limit": [Sample("64m"), Sample(1048576)],
    "runtime.call_format": [Sample("pickle")],
    "runtime.call_fresh": [ON],
    "runtime.call_keep_seconds": [Sample(0), Sample(2.5)],
    "runtime.replicas": [Sample(1)],
    "runtime.shard_spec": [Sample({"shards": 2, "urlPattern": "x"})],
    "runtime.job_spec": [Sample({"iterations": 4})],
}
REFUSED = ("runtime.shard_spec", "runtime.job_spec")
"""Every value of these is refused: the four ways have to agree on that."""
CASES = [
    pytest.param(key, sample, id=f"{key}-{number}")
    for key, samples in SAMPLES.items()
    for number, sample in enumerate(samples)
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = command_project(tmp_path, monkeypatch, "")
    (project / "Containerfile.own").write_text("FROM scratch\n")
    return project


def toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(k)} = {toml(v)}' for k, v in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


def text(value: object) -> str:
    """Return a value in the format of variables and flags."""
    return value if isinstance(value, str) else json.dumps(value)


def settled(
    own: Layer, project: Path, key: str = "", value: object = None, beside: str = ""
) -> Settings:
    line = f"tool.buildr.{key} = {toml(value)}\n" if key else ""
    extra = f"tool.buildr.{beside}\n" if beside else ""
    (project / "pyproject.toml").write_text(line + extra)
    return settle(Entry(kind="script", script=str(project / "app.py")), own)


def decorated(groups: Mapping[str, Mapping[str, Any]]) -> Layer:
    return Layer(
        package=read_package(groups.get("package")),
        runtime=read_runtime(groups.get("runtime")),
        origin=DECORATOR,
    )


def typed(*words: str) -> Layer:
    with click.Context(run) as context:
        context.ensure_object(dict)
        run.parse_args(context, [*words, "app.py"])
        return flags(context, context.params)


def in_decorator(key: str, sample: Sample, project: Path) -> Any:
    group, _, name = key.partition(".")
    own = decorated({group: {name: sample.value}})
    return held(settled(own, project, beside=sample.beside), key)


def held(settings: Settings, key: str) -> Any:
    group, _, name = key.partition(".")
    return getattr(getattr(settings, group), name)


def test_every_option_has_a_sample() -> None:
    assert sorted(SAMPLES) == sorted(OPTIONS)


@pytest.mark.parametrize(("key", "sample"), [c for c in CASES if c.values[0] not in REFUSED])
def test_each_place_has_the_same_effect(
    project: Path, monkeypatch: pytest.MonkeyPatch, key: str, sample: Sample
) -> None:
    option = OPTIONS[key]
    nothing = decorated({})
    wanted = in_decorator(key, sample, project)
    default = held(settled(nothing, project), key)
    assert wanted != default or key == "runtime.replicas"  # there is only one

    file = settled(nothing, project, key, sample.value, sample.beside)
    assert held(file, key) == beside_the_file(key, wanted, project)

    monkeypatch.setenv(option.variable, text(sample.value))
    if option.short_variable:
        entry = Entry(kind="script", script=str(project / "app.py"))
        recipe = plan(entry, settled(nothing, project).package).recipe
        assert recipe.base_image == wanted
    else:
        assert held(settled(nothing, project, beside=sample.beside), key) == wanted
    monkeypatch.delenv(option.variable)

    if option.flags:
        for flag in option.flags:
            words = [flag] if option.form == "switch" else []
            for item in () if words else sample.flags or (text(sample.value),):
                words += [flag, item]
            assert held(settled(typed(*words), project, beside=sample.beside), key) == wanted


def beside_the_file(key: str, value: Any, project: Path) -> Any:
    """Return the effective value from pyproject.toml: some paths are relative to it."""
    if key == "package.context":
        return str(project)
    if key == "runtime.env_file":
        return tuple(str(project / path) for path in value)
    if key == "runtime.mounts":
        return tuple(
            mount if mount.is_volume else replace(mount, source=str(project / mount.source))
            for mount in value
        )
    return value


@pytest.mark.parametrize(("key", "sample"), [c for c in CASES if c.values[0] in REFUSED])
def test_invalid_values_are_refused_everywhere_in_the_terms_of_the_place(
    project: Path, monkeypatch: pytest.MonkeyPatch, key: str, sample: Sample
) -> None:
    problem = " is not supported yet: one engine runs one container"
    with pytest.raises(OptionError) as caught:
        in_decorator(key, sample, project)
    assert caught.value.what == key + problem
    with pytest.raises(OptionError) as caught:
        settled(decorated({}), project, key, sample.value)
    assert caught.value.what == f"{project}/pyproject.toml: tool.buildr.{key}{problem}"
    variable = OPTIONS[key].variable
    monkeypatch.setenv(variable, text(sample.value))
    with pytest.raises(OptionError) as caught:
        settled(decorated({}), project)
    assert caught.value.what == variable + problem


@pytest.mark.parametrize("key", [key for key, option in OPTIONS.items() if option.form == "switch"])
@pytest.mark.parametrize(("given", "holds"), [("1", True), ("TRUE", True), ("0", False), ("false", False)])  # fmt: skip
def test_a_switch_is_on_or_off(
    project: Path, monkeypatch: pytest.MonkeyPatch, key: str, given: str, holds: bool
) -> None:
    option = OPTIONS[key]
    beside = 'package.repository = "r.example/me"' if key == "package.publish" else ""
    monkeypatch.setenv(option.variable, given)
    other = decorated({option.group: {option.name: not holds}})
    assert held(settled(other, project, beside=beside), key) is holds


INVALID = {
    "package.tag": "a b",
    "package.publish": "maybe",
    "package.extras": "cli",
    "package.additional_files": '["a"]',
    "runtime.cpus": "1_0",
    "runtime.pids_limit": "1.5",
    "runtime.memory": "lots",
    "runtime.ports": "8080",
    "runtime.env": "A=hunter2",
    "runtime.network": "a b",
    "runtime.healthcheck": '{"command": "x",}',
    "runtime.wait_for": "port",
    "runtime.gpus": "some",
}


@pytest.mark.parametrize("key", INVALID)
def test_an_invalid_variable_is_reported_with_the_accepted_values(
    project: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    variable = OPTIONS[key].variable
    monkeypatch.setenv(variable, INVALID[key])
    with pytest.raises(OptionError) as caught:
        settled(decorated({}), project)
    assert caught.value.what.startswith(variable)
    assert " cannot be " in caught.value.what
    assert caught.value.hint.startswith("accepted: ")
    assert "hunter2" not in str(caught.value)
