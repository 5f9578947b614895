"""The layers of the package, as CONTRIBUTING.md draws them: imports point down, and no two modules import each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import buildr
import buildr_backends
from buildr.runners.choice import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parents[3] / "CONTRIBUTING.md"
FLAT = {"__init__", "__main__", "_gc", "_version", "errors", "labels", "layout"}
LONGEST_TREE = 25
MOST_SENTENCES = 3


def modules() -> Iterator[tuple[str, Path]]:
    for package in (buildr, buildr_backends):
        top = Path(package.__file__ or "").parent
        for path in top.rglob("*.py"):
            name = ".".join((package.__name__, *path.relative_to(top).with_suffix("").parts))
            yield name.removesuffix(".__init__"), path


MODULES = dict(modules())


def imports(module: str) -> set[str]:
    """Return the modules of ours that one imports: at its top, when it is called, or for its annotations alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(name if name in MODULES else node.module for name in full)
    return found & MODULES.keys() - {module}


def room(module: str) -> str:
    """Return the folder of a module, or the module itself where it lies flat in its package."""
    package, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    if package == buildr_backends.__name__:
        return first or package
    return first or package


def drawn() -> list[set[str]]:
    """Return the layers that the page draws, from the top; each line of the picture is one."""
    picture = PAGE.read_text().partition("```text\n")[2].partition("```")[0]
    lines = [line.partition("  ")[0].split() for line in picture.splitlines()]
    return [set(names) for names in lines if names]


HEIGHTS = {name: -index for index, layer in enumerate(drawn()) for name in layer}
ADAPTERS = {room(module) for module in MODULES if module.startswith("buildr_backends.")}
RUNNERS = {room(module) for module in BUILT_IN.values()} & ADAPTERS
UNDER_BACKENDS = {"archive", "engines", "host", "labels", "layout", "errors"}


def may_import(one: str, other: str) -> bool:
    """Whether modules in one room may import those in another."""
    if one in RUNNERS:
        return other in ADAPTERS or HEIGHTS[other] <= HEIGHTS["runners"]
    if one in ADAPTERS:
        return other in UNDER_BACKENDS or HEIGHTS[other] < HEIGHTS[one]
    return other not in ADAPTERS and HEIGHTS[other] < HEIGHTS[one]


def test_every_room_is_drawn_once() -> None:
    rooms = [name for layer in drawn() for name in layer]
    assert sorted(rooms) == sorted({room(module) for module in MODULES} - {"buildr_backends"})


def test_imports_point_down() -> None:
    assert [
        f"{module} imports {other}"
        for module in sorted(MODULES)
        for other in sorted(imports(module))
        if room(other) != room(module) and not may_import(room(module), room(other))
    ] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: imports(module) for module in MODULES}
    while ends := [module for module, others in graph.items() if not others & graph.keys()]:
        for module in ends:
            del graph[module]
    assert graph == {}


def test_top_level_modules_are_known() -> None:
    top = Path(buildr.__file__ or "").parent
    assert {path.stem for path in top.glob("*.py")} == FLAT
    assert len(
        [path for path in top.iterdir() if path.name != "__pycache__"]
    ) <= LONGEST_TREE + len(FLAT)


@pytest.mark.parametrize(
    "module", sorted(name for name, path in MODULES.items() if path.stem == "__init__")
)
def test_every_folder_says_its_purpose(module: str) -> None:
    text = ast.get_docstring(ast.parse(MODULES[module].read_bytes()))
    assert text is not None
    assert text.partition("\n")[0].endswith((".", ":"))
    is_room = module.count(".") == 1
    assert "import" in text or not is_room, "say what it may import, too"
    if module != "buildr.testing":  # whose docstring is a page of the documentation
        assert len(re.findall(r"\.(?=\s|$)", text.partition("::")[0])) <= MOST_SENTENCES
