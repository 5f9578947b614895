"""An image with an appended source layer equals the one that the engine would have built, in all files and settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.images import File, Site, files_of, inspect, site
from tests.engine.test_identity import CONFIGURATION, CONTENT, MODES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

FOLDER_TIME = 315619200  # 1980-01-02
PLAIN = """\
from buildr.image import generated
generated._build_layered = lambda *_: None
from buildr.cli import main
main()
"""


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


def write(project: Site) -> None:
    top = project.directory
    project.write(CONTENT)
    (top / "empty").mkdir()
    (top / "folder/up").symlink_to("../plain")
    (top / "to-folder").symlink_to("folder")
    (top / "to-nowhere").symlink_to("not/there")
    os.link(top / "plain", top / "second")
    os.link(top / "plain", top / "folder/third")
    deep = top / ("long" * 30) / ("name" * 40)
    deep.mkdir(parents=True)
    (deep / "file").write_text("deep")
    project.script("print('hello')")
    project.own()
    for name, mode in MODES.items():
        (top / name).chmod(mode)


def build(project: Site, name: str, *words: str) -> dict[str, Any]:
    done = project.run(*words, "build", "--name", name, "app.py")
    assert done.returncode == 0, done.stderr.decode()
    return inspect(project.engine, f"localhost/buildr/{name}:latest")


def of_project(files: dict[str, File]) -> dict[str, File]:
    return {path: file for path, file in files.items() if path.split("/")[1] == "app"}


def test_both_ways_make_the_same_image(project: Site) -> None:
    write(project)
    layered = build(project, project.name, "-m", "buildr")
    other = f"{project.name}-built"
    try:
        built = build(project, other, "-c", PLAIN)
        expected = of_project(files_of(project.engine, f"localhost/buildr/{other}:latest"))
    finally:
        project.engine.remove_images(f"localhost/buildr/{other}")
    assert layered["Id"] != built["Id"]
    assert layered["RootFS"]["Layers"] == built["RootFS"]["Layers"]
    for image in (layered, built):
        image["Config"]["Labels"].pop("buildr.project")  # the digest includes the name
    for key in CONFIGURATION:
        assert layered["Config"].get(key) == built["Config"].get(key), key

    source = of_project(files_of(project.engine, project.reference))
    top, of_built = source.pop("/app"), expected.pop("/app")
    assert source == expected
    assert (top.mode, top.owner, top.time) == (0o775, "1000:0", FOLDER_TIME)
    assert (of_built.mode, of_built.owner) == (top.mode, top.owner)
    history = project.engine.cli("history", "--no-trunc", project.reference)
    assert 'COPY --chown=1000:0 ["context/", "/app/"]' in history
    assert "mkdir -p /app" in history


def test_a_source_that_was_sent_before_gives_the_same_layer(project: Site) -> None:
    write(project)
    first = build(project, project.name, "-m", "buildr")
    (project.directory / "app.py").touch()
    project.remove()
    second = build(project, project.name, "-m", "buildr")
    assert first["RootFS"]["Layers"][-1] == second["RootFS"]["Layers"][-1]
