"""The types of the public interface. `mypy` checks this file; running it proves little.

Every ``type: ignore`` here marks a call that must be an error; otherwise mypy reports it as unused.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_type

import pytest

from buildr import Containerize, Containerized, PackageFile, PackageOptions, RuntimeOptions
from buildr.errors import OptionError
from buildr.testing import FakeBackend, using

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from buildr.engines.protocol import Backend, Connect
    from buildr.engines.records import Target
    from buildr.options.typed_dicts import PackageDict


@pytest.fixture(autouse=True)
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "true")


@Containerize
def bare(a: int, *, b: str = "") -> float:
    return a + len(b)


@Containerize()
def called(a: int) -> str:
    return str(a)


@Containerize
def two(a: int, b: str) -> str:
    return b * a


@Containerize(package={"name": "x"}, runtime=RuntimeOptions(cpus=1))
def with_options() -> None:
    pass


@Containerize(package=PackageOptions(name="x"), runtime={"ports": [8080]})
async def coroutine(a: int) -> bytes:
    return bytes(a)


class App:
    @Containerize
    def run(self, a: int) -> str:
        return str(a)

    @staticmethod
    @Containerize
    def static(a: int) -> str:
        return str(a)


def test_a_decorated_function_keeps_its_signature() -> None:
    assert_type(bare(1, b="x"), float)
    assert_type(bare.local(1), float)
    assert_type(called(1), str)
    assert_type(with_options, Containerized[[], None])
    with pytest.raises(TypeError):
        bare("x")  # type: ignore[arg-type] # must be an error
    with pytest.raises(TypeError):
        bare(1, c=1)  # type: ignore[call-arg] # must be an error
    with pytest.raises(TypeError):
        called()  # type: ignore[call-arg] # must be an error


def test_a_decorated_coroutine_function_gives_its_coroutine() -> None:
    promise: Coroutine[Any, Any, bytes] = coroutine(1)
    promise.close()


def test_a_decorated_method_is_bound() -> None:
    assert_type(App().run(1), str)
    assert_type(App().run.local(1), str)
    assert_type(App.run(App(), 1), str)
    assert_type(App.static(1), str)
    with pytest.raises(TypeError):
        App().run("x", 2)  # type: ignore[call-arg, arg-type] # must be an error


def test_calls_in_containers_have_the_types_of_the_function() -> None:
    assert_type(bare.remote(1, b="x"), float)
    assert_type(bare.within(1).remote(1), float)
    assert_type(App().run.remote(1), str)
    assert_type(asyncio.run(coroutine.remote(1)), bytes)
    with pytest.raises(TypeError):
        bare.remote("x")  # type: ignore[arg-type] # must be an error
    with pytest.raises(TypeError):
        called.remote()  # type: ignore[call-arg] # must be an error


def test_map_has_the_types_of_inputs_and_results() -> None:
    for one in bare.map([1, 2]):
        assert_type(one, float)
    assert_type(next(iter(called.map(range(3), concurrency=2))), str)
    called.map(["x"])  # type: ignore[list-item] # must be an error
    assert_type(next(iter(two.map([1], ["x"]))), str)
    with pytest.raises(TypeError):
        next(iter(two.map([1])))  # type: ignore[call-arg] # must be an error

    async def all_of_them() -> list[bytes]:
        return [assert_type(one, bytes) async for one in coroutine.map([1, 2])]

    assert asyncio.run(all_of_them()) == [b"\0", b"\0\0"]


def test_a_decorated_function_can_be_passed_on() -> None:
    def takes(function: Containerized[[int], str]) -> str:
        return function(1)

    assert takes(called) == "1"


def test_options_are_checked_by_name_and_type() -> None:
    with pytest.raises(TypeError):
        PackageOptions(nmae="x")  # type: ignore[call-arg] # must be an error
    PackageOptions(publish="yes")  # type: ignore[arg-type] # must be an error
    PackageOptions(user="admin")  # type: ignore[arg-type] # must be an error
    RuntimeOptions(interrupt="nobody")  # type: ignore[arg-type] # must be an error


def test_a_fake_backend_is_a_backend_and_keeps_its_type() -> None:
    def connect(_target: Target) -> Backend:
        return FakeBackend()

    _: Connect = connect
    with using(FakeBackend()) as backend:
        assert_type(backend, FakeBackend)


def test_dicts_of_options_are_checked_by_name_and_type() -> None:
    @Containerize(
        package={"name": "x", "py_version": 3, "additionalFiles": [PackageFile("a", "/a")]},
        runtime={"ports": [8080], "env": {"A": None}, "gpus": "all", "public": None},
    )
    def accepted() -> None: ...

    assert_type(accepted, Containerized[[], None])
    with pytest.raises(OptionError, match="did you mean 'variant'"):
        Containerize(package={"varient": "slim"})  # type: ignore[call-overload] # must be an error
    with pytest.raises(OptionError, match=r"runtime\.ports"):
        Containerize(runtime={"ports": 8080})  # type: ignore[call-overload] # must be an error
    with pytest.raises(OptionError, match=r"package\.user"):
        Containerize(package={"user": "admin"})  # type: ignore[call-overload] # must be an error
    with pytest.raises(OptionError, match="did you mean 'cpus'"):
        Containerize(runtime={"cpu": 1})  # type: ignore[call-overload] # must be an error


def test_a_separate_dict_of_options_can_be_annotated() -> None:
    package: PackageDict = {"name": "x"}
    package["tag"] = "v1"
    package["gat"] = "v1"  # type: ignore[typeddict-unknown-key] # must be an error
    del package["gat"]  # type: ignore[typeddict-item] # must be an error
    Containerize(package=package)


def test_a_decorated_function_completes_public_names_only() -> None:
    names = {name for name in dir(called) if not name.startswith("_")}
    assert names == {
        "cancel",
        "executor",
        "local",
        "map",
        "remote",
        "spawn",
        "starmap",
        "within",
    }
