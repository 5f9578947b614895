"""What `buildr` offers to scripts: exactly this, cheaply, and documented."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import buildr
from buildr import errors
from buildr.engines.containers import Containers
from buildr.engines.engine import Engine
from buildr.engines.images import Images
from buildr.engines.streams import Attachment, Execution
from buildr.engines.volumes import Volumes

HEAVY = {
    "asyncio",
    "click",
    "dataclasses",
    "docker",
    "http",
    "importlib.metadata",
    "jinja2",
    "packaging",
    "podman",
    "requests",
    "rich",
    "subprocess",
    "tarfile",
    "urllib3",
}
"""What a script that only decorates its function must not pay for."""


def test_the_public_names_are_these() -> None:
    assert buildr.__all__ == [
        "BuildSecret",
        "BuildrError",
        "Containerize",
        "Containerized",
        "Mount",
        "PackageFile",
        "PackageOptions",
        "Port",
        "RuntimeOptions",
        "Tmpfs",
        "__version__",
        "is_in_docker_container",
    ]


@pytest.mark.parametrize("name", [name for name in buildr.__all__ if name != "__version__"])
def test_every_public_name_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(buildr, name))


def test_the_version_is_defined_once() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+([a-z]+\d+)?", buildr.__version__)


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import buildr; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_the_package_is_marked_as_typed() -> None:
    assert (Path(buildr.__file__).parent / "py.typed").exists()


def test_all_errors_are_in_one_tree_and_exported() -> None:
    found = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    assert found == set(errors.__all__)
    assert all(issubclass(getattr(errors, name), buildr.BuildrError) for name in found)


@pytest.mark.parametrize("name", errors.__all__)
def test_the_tree_in_the_documentation_is_the_tree(name: str) -> None:
    """Each class stands in the picture with its exit code, indented below its parent."""
    assert errors.__doc__ is not None
    kind = getattr(errors, name)
    lines = errors.__doc__.splitlines()
    row = next(line for line in lines if re.search(rf"(^|\W){name}\b", line))
    assert int(row.partition(name)[2].split()[0]) == kind.exit_code
    depth = sum(issubclass(parent, errors.BuildrError) for parent in kind.__mro__) - 1
    assert row.index(name) == 4 + 4 * depth


def test_an_error_says_what_failed_and_what_to_do() -> None:
    error = errors.BuildError("step 3 failed", hint="Read the log.")
    assert (str(error), error.what, error.hint) == (
        "step 3 failed\nRead the log.",
        "step 3 failed",
        "Read the log.",
    )
    assert str(errors.BuildError("step 3 failed")) == "step 3 failed"


@pytest.mark.parametrize(
    "name", [name for _, name, _ in pkgutil.walk_packages(buildr.__path__, "buildr.")]
)
def test_every_module_is_documented_and_can_be_imported(name: str) -> None:
    if name.endswith(".__main__"):
        return
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize("kind", [Engine, Images, Containers, Volumes, Attachment, Execution])
def test_every_method_of_a_backends_protocols_is_documented(kind: type) -> None:
    methods = {name: value for name, value in vars(kind).items() if not name.startswith("_")}
    assert methods
    assert [name for name, value in methods.items() if not value.__doc__] == []
