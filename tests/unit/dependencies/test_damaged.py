"""Any content of a dependency file is read, or refused with a clear error."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildr.dependencies import ProjectFiles, find_dependencies
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[2] / "data" / "dependencies"
FILES = (
    "uv/uv.lock",
    "uv/pylock.all.toml",
    "uv/pyproject.toml",
    "poetry/poetry.lock",
    "poetry/pyproject.toml",
    "pipenv/Pipfile.lock",
    "pip/pylock.toml",
    "script/app.py.lock",
)
STRANGE: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(
        ["", ".", "..", "/", "x", "git+x", "file:///x", "a\nb", "-r x", "\0", "é", "*", "1;2"]
    )
    | st.just([])
    | st.just({})
    | st.just([[]])
    | st.just([{}])
    | st.just(["x", 1])
)


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything inside, of lists what their first items hold: they are all of a kind."""
    if isinstance(value, dict):
        items = list(value.items())
    else:
        items = list(enumerate(value[:3])) if isinstance(value, list) else []
    for key, item in items:
        yield (*above, key)
        yield from places(item, (*above, key))


def changed(value: Any, place: tuple[Any, ...], to: Any, *, remove: bool) -> Any:
    found = copy.deepcopy(value)
    inner = found
    for key in place[:-1]:
        inner = inner[key]
    if remove:
        del inner[place[-1]]
    else:
        inner[place[-1]] = to
    return found


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(name: str, data: st.DataObject) -> None:
    text = (DATA / name).read_text()
    is_json = name.endswith("Pipfile.lock")
    content = json.loads(text) if is_json else tomllib.loads(text)
    for _ in range(data.draw(st.integers(1, 2))):
        all_places = list(places(content))
        if all_places:
            place = data.draw(st.sampled_from(all_places))
            content = changed(content, place, data.draw(STRANGE), remove=data.draw(st.booleans()))
    with TemporaryDirectory() as directory:
        context = Path(directory)
        folder, file = name.split("/")
        shutil.copytree(DATA / folder, context, dirs_exist_ok=True)
        (context / file).write_text(json.dumps(content) if is_json else toml(content))
        script = Path("app.py") if file == "app.py.lock" else None
        found = None
        with contextlib.suppress(DependencyError):
            found = find_dependencies(
                ProjectFiles(
                    context=context,
                    script=script,
                    explicit=None if script else file,
                    groups=("dev",) if "uv" in name else (),
                )
            )
        for staged in found.files if found else ():
            lines = staged.data.decode().splitlines()
            assert not [line for line in lines if line.startswith(("-r", "--pre", " -"))]


def toml(value: Any) -> str:
    """Write TOML, everything inline; what TOML does not have becomes a text."""
    assert isinstance(value, dict)
    return "".join(f"{json.dumps(key)} = {inline(item)}\n" for key, item in value.items())


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if value is None or isinstance(value, str):
        return json.dumps(value or "", ensure_ascii=True).replace("\x7f", "")
    if isinstance(value, bool | int):
        return json.dumps(value)
    return str(value.isoformat())
