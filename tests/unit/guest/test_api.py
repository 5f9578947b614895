"""The guest part: the files in every image, and ``import buildr`` there."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import buildr
from buildr import errors
from buildr.plan.guest_files import guest_files

if TYPE_CHECKING:
    from pathlib import Path

OLDEST = (3, 8)
SMALL = 124 << 10
"""Bytes: all of the guest part is less."""


@pytest.fixture(scope="module")
def guest_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory like the guest's root in an image."""
    root = tmp_path_factory.mktemp("guest")
    for path, data in guest_files():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def in_guest(root: Path, code: str, *, variable: str = "true") -> Any:
    """Run code as in an image, with only the standard library and the guest part; return its output."""
    prepared = f"import json, sys; sys.path.insert(0, {str(root)!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-ISB", "-c", prepared],
        env={"BUILDR_IN_CONTAINER": variable},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


# What travels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "data"), guest_files())
def test_the_guest_part_is_valid_for_the_oldest_python(path: str, data: bytes) -> None:
    ast.parse(data, filename=path, feature_version=OLDEST)


@pytest.mark.parametrize(("path", "data"), guest_files())
def test_the_guest_part_imports_only_the_standard_library_and_itself(
    path: str, data: bytes
) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(data, filename=path)):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            imported.add(str(node.module))
    own = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name, _ in guest_files()
    }
    assert {
        name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names
    } <= own


def test_the_guest_part_is_small() -> None:
    assert sum(len(data) for _, data in guest_files()) < SMALL


def test_the_guest_part_has_only_the_needed_modules() -> None:
    assert [path for path, _ in guest_files()] == [
        "buildr/__init__.py",
        "buildr/guest/__init__.py",
        "buildr/guest/annotations.py",
        "buildr/guest/arrays.py",
        "buildr/guest/call.py",
        "buildr/guest/container_mounts.py",
        "buildr/guest/container_paths.py",
        "buildr/guest/debug.py",
        "buildr/guest/detection.py",
        "buildr/guest/evidence.py",
        "buildr/guest/frames.py",
        "buildr/guest/gate.py",
        "buildr/guest/here.py",
        "buildr/guest/init.py",
        "buildr/guest/loading.py",
        "buildr/guest/ports.py",
        "buildr/guest/remarks.py",
        "buildr/guest/scalars.py",
        "buildr/guest/shadows.py",
        "buildr/guest/surroundings.py",
        "buildr/guest/transfer.py",
        "buildr/guest/values.py",
        "buildr/guest/worker.py",
        "buildr/errors.py",
        "buildr/_version.py",
    ]


# What it means ----------------------------------------------------------------------------------------


def test_every_public_name_of_the_host_exists(guest_root: Path) -> None:
    code = """\
import buildr
print(json.dumps([sorted(buildr.__all__), [name for name in buildr.__all__ if not hasattr(buildr, name)]]))
"""
    assert in_guest(guest_root, code) == [sorted(buildr.__all__), []]


def test_a_star_import_imports_the_public_names(guest_root: Path) -> None:
    code = "from buildr import *\nprint(json.dumps([BuildrError.__name__, __version__]))"
    assert in_guest(guest_root, code) == ["BuildrError", buildr.__version__]


def test_importing_it_loads_no_other_module(guest_root: Path) -> None:
    code = "before = set(sys.modules); import buildr; print(json.dumps(sorted(set(sys.modules) - before)))"
    assert in_guest(guest_root, code) == ["buildr"]


def test_an_unknown_name_is_an_attribute_error(guest_root: Path) -> None:
    code = "import buildr\nprint(json.dumps(hasattr(buildr, 'nothing')))"
    assert in_guest(guest_root, code) is False


def test_all_errors_can_be_caught_in_the_guest(guest_root: Path) -> None:
    code = "import buildr.errors as e\nprint(json.dumps([sorted(e.__all__), issubclass(e.OptionError, e.BuildrError)]))"
    assert in_guest(guest_root, code) == [sorted(errors.__all__), True]


@pytest.mark.parametrize(
    "decorator",
    ["Containerize", "Containerize()", "Containerize(package={'name': 'x'}, runtime={})"],
)
def test_a_decorated_function_just_runs(guest_root: Path, decorator: str) -> None:
    code = f"""\
from buildr import Containerize
@{decorator}
def main(a, *, b=2):
    "The documentation."
    return [a, b]
print(json.dumps([main(1), main.local(1, b=3), main.__doc__, main.__name__, main.cancel()]))
"""
    assert in_guest(guest_root, code) == [[1, 2], [1, 3], "The documentation.", "main", None]


def test_a_decorated_coroutine_function_stays_one(guest_root: Path) -> None:
    code = """\
import asyncio, inspect
from buildr import Containerize
@Containerize
async def main():
    return 3
print(json.dumps([inspect.iscoroutinefunction(main), asyncio.run(main())]))
"""
    assert in_guest(guest_root, code) == [True, 3]


def test_methods_and_callables_without_attributes_can_be_decorated(guest_root: Path) -> None:
    code = """\
from buildr import Containerize
class App:
    @Containerize
    def run(self):
        return 4
    @staticmethod
    @Containerize
    def go():
        return 5
print(json.dumps([App().run(), App.go(), Containerize(len)("six")]))
"""
    assert in_guest(guest_root, code) == [4, 5, 3]


def test_remote_calls_just_run_in_the_guest(guest_root: Path) -> None:
    code = """\
import asyncio
from buildr import Containerize
@Containerize
def double(a, b=2):
    return a * b
@Containerize
async def later(a):
    return a
async def all_of_it():
    return [x async for x in later.map([1, 2])]
print(json.dumps([
    double.remote(3), list(double.map([1, 2])), list(double.map([1, 2], [3, 4], concurrency=2)),
    double.within(5).remote(4), asyncio.run(later.remote(5)), asyncio.run(all_of_it()),
]))
"""
    assert in_guest(guest_root, code) == [6, [2, 4], [3, 8], 8, 5, [1, 2]]


METHODS = """\
import asyncio
from buildr import Containerize
class App:
    k = 10
    @Containerize
    def f(self, x):
        return self.k + x
    @Containerize
    async def later(self, x):
        return self.k + x
    @Containerize
    @classmethod
    def c(cls, x):
        return [cls.__name__, x]
    @Containerize
    @staticmethod
    def s(x):
        return x
    @staticmethod
    @Containerize
    def t(x):
        return x
class Sub(App):
    k = 20
a, b = App(), Sub()
"""


@pytest.mark.parametrize("inside", ["guest", "host"])
@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("[a.f(1), a.f.local(1), a.f.remote(1), b.f.local(1), App.f(a, 1), App.f.local(b, 1)]",
         [11, 11, 11, 21, 11, 21]),
        ("[list(a.f.map([1, 2])), a.f.within(5).remote(1), a.f.cancel()]", [[11, 12], 11, None]),
        ("[a.c(1), a.c.local(1), b.c.remote(1), list(Sub.c.map([1]))]",
         [["App", 1], ["App", 1], ["Sub", 1], [["Sub", 1]]]),
        ("[App.s(1), a.s.local(1), list(a.s.map([1])), App.t(1), a.t.remote(1), App.t.within(1)(2)]",
         [1, 1, [1], 1, 1, 2]),
        ("[asyncio.run(a.later(1)), asyncio.run(a.later.remote(1))]", [11, 11]),
        ("[App.f.__name__, App.f.__qualname__, App.f.__wrapped__(a, 1)]", ["f", "App.f", 11]),
        ("[Containerize(len).local('six'), list(Containerize(len).map(['a', 'bb']))]", [3, [1, 2]]),
    ],
)  # fmt: skip
def test_decorated_methods_have_the_attributes_of_the_host(
    guest_root: Path, tmp_path: Path, inside: str, code: str, value: object
) -> None:
    if inside == "guest":
        assert in_guest(guest_root, f"{METHODS}print(json.dumps({code}))") == value
        return
    (tmp_path / "app.py").write_text(f"import json\n{METHODS}print(json.dumps({code}))")
    environment = {**os.environ, "BUILDR_IN_CONTAINER": "1"}
    done = subprocess.run([sys.executable, tmp_path / "app.py"], env=environment, capture_output=True, check=True)  # fmt: skip
    assert json.loads(done.stdout) == value


def test_results_of_map_can_be_closed_and_are_context_managers(guest_root: Path) -> None:
    code = """\
import asyncio
from buildr import Containerize
@Containerize
def double(a):
    return a * 2
@Containerize
async def later(a):
    return a * 2
async def all_of_it():
    async with later.map([1, 2, 3]) as results:
        first = await results.__anext__()
    return [first, [x async for x in results]]
with double.map([1, 2, 3]) as results:
    first = next(results)
print(json.dumps([first, list(results), asyncio.run(all_of_it())]))
"""
    assert in_guest(guest_root, code) == [2, [], [2, []]]


@pytest.mark.parametrize(("variable", "inside"), [("true", True), ("false", False)])
def test_a_script_can_ask_whether_it_is_in_a_container(
    guest_root: Path, variable: str, inside: bool
) -> None:
    code = "import buildr; print(json.dumps(buildr.is_in_docker_container()))"
    assert in_guest(guest_root, code, variable=variable) is inside


def test_the_type_of_a_decorated_function_can_be_used_in_annotations(guest_root: Path) -> None:
    code = "from buildr import Containerized\ndef f(x: Containerized[[int], str]): pass\nprint(json.dumps(1))"
    assert in_guest(guest_root, code) == 1


@pytest.mark.parametrize(
    "options",
    [buildr.Mount, buildr.PackageFile, buildr.PackageOptions, buildr.Port, buildr.RuntimeOptions],
)
def test_options_can_be_read_as_on_the_host(
    guest_root: Path, options: type[msgspec.Struct]
) -> None:
    fields, defaults = options.__struct_fields__, options.__struct_defaults__
    required = {name: name.upper() for name in fields[: len(fields) - len(defaults)]}
    host = msgspec.structs.asdict(options(**required))
    code = f"""\
import buildr
options = buildr.{options.__name__}(**{required!r})
print(json.dumps({{name: getattr(options, name) for name in {list(host)!r}}}))
"""
    assert in_guest(guest_root, code) == json.loads(json.dumps(host))


@pytest.mark.parametrize(
    ("call", "attributes"),
    [
        ("PackageFile('a', '/b', '0600')", {"src": "a", "dest": "/b", "mode": "0600"}),
        ("Mount('a', '/b', True)", {"source": "a", "target": "/b", "read_only": True}),
        ("Port('', 80, 8080)", {"host": 80, "container": 8080, "protocol": "tcp"}),
        ("PackageOptions(name='x')", {"name": "x", "tag": "latest"}),
    ],
)
def test_options_keep_their_values(
    guest_root: Path, call: str, attributes: dict[str, object]
) -> None:
    code = f"import buildr; o = buildr.{call}\nprint(json.dumps({{n: getattr(o, n) for n in {list(attributes)!r}}}))"
    assert in_guest(guest_root, code) == attributes
