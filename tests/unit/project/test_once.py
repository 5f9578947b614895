"""What has to agree everywhere is written once; the parts that run without Buildr have copies, which agree."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from buildr import layout
from buildr.guest import remarks
from buildr.installer import in_container
from tests.unit.project.test_modules import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator


def constants(source: bytes) -> Iterator[object]:
    """Yield the constants of a module, docstrings left out."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docs:
            yield node.value


def test_the_path_of_the_context_is_defined_once() -> None:
    found = {name for name, path in MODULES.items() if layout.APP in constants(path.read_bytes())}
    assert found == {
        "buildr/guest/remarks.py",
        "buildr/installer/in_container.py",
        "buildr/layout.py",
    }
    assert layout.APP == remarks._APP == in_container.APP


@pytest.mark.parametrize("name", ["_table", "_nothing", "_Stream"])
def test_shared_names_are_defined_once(name: str) -> None:
    definitions = [
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and node.name == name
    ]
    assert len(definitions) <= 1, definitions
