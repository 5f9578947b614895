"""Dependencies are installed once, wherever they are declared; failures are reported."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import Site, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

HASH = "sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374"
PINNED = f"iniconfig==2.0.0 --hash={HASH}\n"

VERSIONS = """\
from importlib.metadata import version
print(os.getuid(), *(f"{name} {version(name)}" for name in sys.argv[1:]))
"""

# A minimal build backend: a real one would be downloaded for each build.
BACKEND = """\
import os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None, editable=False):
    name = os.path.basename(os.getcwd()) if os.path.exists("other.py") else "main_package"
    wheel = f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as file:
        info = f"{name}-1.0.dist-info"
        if editable:
            file.writestr(f"{name}.pth", os.getcwd() + "/src")
        else:
            file.write(f"{name}.py")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        file.writestr(f"{info}/RECORD", "")
    return wheel

def build_editable(directory, config_settings=None, metadata_directory=None):
    return build_wheel(directory, editable=True)
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


def test_requirements_are_installed_once(project: Site) -> None:
    # A unique marker: otherwise the engine may have a cached layer of the same requirement.
    unique = f"iniconfig==2.0.0; platform_release != '{uuid.uuid4()}' --hash={HASH}\n"
    project.write({"requirements.txt": f"buildr-oci\n{unique}"})
    project.script(VERSIONS, imports="import os, sys", package={"verbose": True})
    done = project.run("app.py", "iniconfig")
    said = done.stderr.decode()
    assert done.stdout == b"1000 iniconfig 2.0.0\n", said
    assert "requirements.txt:1: Buildr itself is left out" in said
    assert "Collecting iniconfig" in said
    assert "Successfully installed iniconfig-2.0.0" in said
    first = project.images()

    done = project.run("app.py", "iniconfig")
    assert (done.stdout, done.stderr) == (b"1000 iniconfig 2.0.0\n", b"")
    assert project.images() == first

    project.script(VERSIONS + "print('more')", imports="import os, sys", package={"verbose": True})
    done = project.run("app.py", "iniconfig")
    said = done.stderr.decode()
    assert done.stdout == b"1000 iniconfig 2.0.0\nmore\n", said
    assert said == ""  # changed files are copied into the container, nothing is built
    assert project.images() == first

    built = project.engine.python(
        "-m", "buildr", "build", "--verbose", "app.py", cwd=project.directory
    )
    said = built.stderr.decode()
    assert built.returncode == 0, said
    assert "pip install" not in said  # the image with everything but the source exists
    assert "Collecting" not in said

    project.write({"requirements.txt": "iniconfig==2.1.0\n"})
    done = project.run("app.py", "iniconfig")
    assert done.stdout == b"1000 iniconfig 2.1.0\nmore\n", done.stderr.decode()


def test_requirements_in_the_source_are_installed_from_it(project: Site) -> None:
    project.write(
        {
            "requirements.txt": "-e .\n./libs/other\n",
            "backend.py": BACKEND,
            "pyproject.toml": PROJECT,
            "src/main_package.py": "where = __file__\n",
            "libs/other/backend.py": BACKEND,
            "libs/other/pyproject.toml": PROJECT,
            "libs/other/other.py": "where = __file__\n",
        }
    )
    project.script("import main_package, other\nprint(main_package.where, other.where)")
    done = project.run()
    assert done.returncode == 0, done.stderr.decode()
    editable, copied = done.stdout.decode().split()
    assert editable == "/app/src/main_package.py"
    assert copied.endswith("-packages/other.py")


def test_inline_metadata_is_installed(project: Site) -> None:
    project.script(
        VERSIONS,
        imports='# /// script\n# dependencies = ["iniconfig==2.0.0"]\n# ///\nimport os, sys',
    )
    done = project.run("app.py", "iniconfig")
    assert done.stdout == b"1000 iniconfig 2.0.0\n", done.stderr.decode()


@pytest.mark.parametrize(
    ("requirement", "words", "reason"),
    [
        (
            "no-such-thing-as-this-1f9c==1.0",
            "No matching distribution found for no-such-thing",
            "the index has no package no-such-thing-as-this-1f9c==1.0",
        ),
        (
            "iniconfig==99.0",
            "No matching distribution found for iniconfig==99.0",
            "there is no iniconfig==99.0 for the image; the newest version is ",
        ),
        (
            PINNED.replace("b6a8", "0000"),
            "THESE PACKAGES DO NOT MATCH THE HASHES",
            "a file does not have the hash",
        ),
        # If one package has a hash, pip requires one for every package.
        (
            f"{PINNED}packaging==24.0",
            "Hashes are required in --require-hashes mode, but they are missing",
            "one requirement has a hash, so all need one",
        ),
    ],
)
def test_a_failed_installation_shows_the_message_of_pip(
    project: Site, requirement: str, words: str, reason: str
) -> None:
    project.write({"requirements.txt": f"{requirement}\n"})
    project.script()
    done = project.run()
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (125, b"")
    assert f"buildr: error: dependencies cannot be installed: {reason}" in said
    assert words in said
    assert "Traceback" not in said
    assert project.images() == []


def test_a_base_image_with_another_python_is_refused_before_the_build(project: Site) -> None:
    project.write({"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.99"\n'})
    project.script()
    for _ in range(2):  # the second time from the cached result of the first
        done = project.run()
        said = done.stderr.decode()
        assert (done.returncode, done.stdout) == (125, b"")
        assert "requires-python in pyproject.toml asks for >=3.99, and the base image" in said
        assert "has Python 3." in said
        assert "step" not in said
    assert project.images() == []
