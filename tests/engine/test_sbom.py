"""``buildr build --sbom`` lists what the image's own tools list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.engine.images import Site, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

OWN = """\
from importlib.metadata import distributions
print(*(f"pypi {found.metadata['Name']} {found.version}" for found in distributions()), sep="\\n")
print(subprocess.check_output(["dpkg-query", "-W", "-f", "deb ${Package} ${Version}\\n"], text=True))
"""


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


def test_the_sbom_matches_the_tools_of_the_image(project: Site) -> None:
    project.write({"requirements.txt": "iniconfig==2.0.0\n"})
    project.script(OWN, imports="import subprocess")
    done = project.run(
        "-m", "buildr", "build", "--sbom", "sbom.json", "--name", project.name, "app.py"
    )
    assert done.returncode == 0, done.stderr.decode()
    reference, image = done.stdout.decode().split()
    text = (project.directory / "sbom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    listed = json.loads(text)
    assert listed["metadata"]["component"]["name"] == reference
    assert listed["metadata"]["component"]["version"] == image
    found = {
        f"{one['purl'].partition('/')[0].removeprefix('pkg:')} {one['name']} {one['version']}"
        for one in listed["components"]
    }
    ran = project.run()
    assert ran.returncode == 0, ran.stderr.decode()
    assert "pypi iniconfig 2.0.0" in found
    assert found == set(filter(None, ran.stdout.decode().splitlines()))
