"""Every source of dependencies, as its tool writes it: its packages are installed, and the script can import them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct

from tests.engine.images import Site, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

HASH = "sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374"
VERSION = "2.0.0"
INDEX = "https://index.example.org/simple"
FILE = f"https://files.example.org/iniconfig-{VERSION}-py3-none-any.whl"

# A minimal build backend: a real one would be downloaded for each build.
BACKEND = """\
import os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None, editable=False):
    wheel = "local_lib-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as file:
        info = "local_lib-1.0.dist-info"
        if editable:
            file.writestr("local_lib.pth", os.getcwd())
        else:
            file.write("local_lib.py")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: local-lib\\nVersion: 1.0\\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        file.writestr(f"{info}/RECORD", "")
    return wheel

def build_editable(directory, config_settings=None, metadata_directory=None):
    return build_wheel(directory, editable=True)
"""
LOCAL = {
    "libs/local lib/backend.py": BACKEND,
    "libs/local lib/pyproject.toml": (
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    ),
    "libs/local lib/local_lib.py": "where = __file__\n",
}
PROJECT = """\
[build-system]
requires = ["not-needed-to-run"]
[project]
name = "demo"
version = "1.0"
dependencies = ["iniconfig==2.0.0", "colorama; sys_platform == 'win32'"]
[dependency-groups]
dev = ["no-such-thing-as-this-1f9c"]
"""
UV = f"""\
version = 1
revision = 3
requires-python = ">=3.8"

[[package]]
name = "demo"
version = "1.0"
source = {{ editable = "." }}
dependencies = [{{ name = "iniconfig" }}, {{ name = "local-lib" }}, {{ name = "nothing", marker = "sys_platform == 'win32'" }}]

[[package]]
name = "iniconfig"
version = "{VERSION}"
source = {{ registry = "{INDEX}" }}
wheels = [{{ url = "{FILE}", hash = "{HASH}", size = 5892 }}]

[[package]]
name = "local-lib"
version = "1.0"
source = {{ editable = "libs/local lib" }}

[[package]]
name = "nothing"
version = "1.0"
source = {{ registry = "{INDEX}" }}
"""
PYLOCK = f"""\
lock-version = "1.0"
created-by = "hand"
[[packages]]
name = "iniconfig"
version = "{VERSION}"
wheels = [{{ url = "{FILE}", hashes = {{ sha256 = "{HASH.removeprefix("sha256:")}" }} }}]
[[packages]]
name = "nothing"
version = "1.0"
marker = "python_version < '3'"
wheels = [{{ url = "https://files.example.org/nothing-1.0-py3-none-any.whl", hashes = {{ sha256 = "00" }} }}]
[[packages]]
name = "local-lib"
directory = {{ path = "libs/local lib" }}
"""
POETRY = f"""\
[[package]]
name = "iniconfig"
version = "{VERSION}"
optional = false
python-versions = ">=3.7"
groups = ["main", "dev"]
files = [{{file = "iniconfig-{VERSION}-py3-none-any.whl", hash = "{HASH}"}}]

[[package]]
name = "local-lib"
version = "1.0"
optional = false
python-versions = "*"
groups = ["main"]
files = []
develop = false
[package.source]
type = "directory"
url = "libs/local lib"

[[package]]
name = "no-such-thing-as-this-1f9c"
version = "1.0"
optional = false
python-versions = "*"
groups = ["dev"]
files = []

[metadata]
lock-version = "2.1"
python-versions = "^3.8"
content-hash = "0"
"""
PIPFILE = json.dumps(
    {
        "_meta": {"hash": {"sha256": "0"}, "pipfile-spec": 6, "requires": {}, "sources": []},
        "default": {
            "iniconfig": {
                "version": f"=={VERSION}",
                "hashes": [HASH],
                "markers": "python_version >= '3.7'",
            },
            "local-lib": {"path": "libs/local lib"},
        },
        "develop": {"no-such-thing-as-this-1f9c": {"version": "==1.0"}},
    }
)


class Case(Struct, frozen=True):
    """One source: the files of a project, its options, and the expected result."""

    source: str
    files: dict[str, str]
    package: dict[str, Any] = {}
    local: bool = False


CASES = {
    "pylock": Case("pylock.toml", {"pylock.toml": PYLOCK, **LOCAL}, local=True),
    "uv": Case(
        "uv.lock",
        {"uv.lock": UV, "pyproject.toml": PROJECT, "src/demo.py": "", **LOCAL},
        local=True,
    ),
    "poetry": Case("poetry.lock", {"poetry.lock": POETRY, **LOCAL}, local=True),
    "pipenv": Case("Pipfile.lock", {"Pipfile.lock": PIPFILE, **LOCAL}, local=True),
    "pyproject": Case("pyproject.toml", {"pyproject.toml": PROJECT, "src/demo.py": ""}),
    "list": Case(
        "package.dependencies",
        {"requirements.txt": "no-such-thing-as-this-1f9c\n"},
        {"dependencies": [f"iniconfig=={VERSION}"]},
    ),
}
SCRIPT = """\
from importlib.metadata import version
print(version("iniconfig"), iniconfig.__name__)
for name in sys.argv[1:]:
    print(__import__(name).__file__)
"""


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


@pytest.mark.parametrize("name", CASES)
def test_the_packages_of_a_source_are_installed(project: Site, name: str) -> None:
    case = CASES[name]
    project.write(case.files)
    project.script(SCRIPT, imports="import sys, iniconfig", package=case.package, path="bin/app.py")
    own = [path for path in case.files if path == "src/demo.py"]
    words = ["local_lib"] * case.local + ["demo"] * len(own)
    done = project.run("bin/app.py", *words)
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert f"buildr: dependencies from {case.source}\n" in said
    first, *places = done.stdout.decode().splitlines()
    assert first == f"{VERSION} iniconfig"
    if case.local:
        editable = name == "uv"
        assert (places[0] == "/app/libs/local lib/local_lib.py") == editable
    if own:
        assert places[-1] == "/app/src/demo.py"


# The base image of the tests has no package manager; this fake one records its arguments.
APK = '#!/bin/sh\necho "$@" "as $(id -u)" > /usr/local/share/asked\n'
BASE = """\
FROM {base}
COPY apk /sbin/apk
CMD ["true"]
"""


@pytest.fixture
def base_with_apk(project: Site) -> Iterator[str]:
    """Built by Buildr, so that its builds and the removal of images exclude each other."""
    name = f"{project.name}-base"
    project.write(
        {"Dockerfile": BASE.format(base=project.engine.base_image), "apk": APK, "b.py": ""}
    )
    (project.directory / "apk").chmod(0o755)
    done = project.run(
        "-m", "buildr", "build", "--dockerfile", "Dockerfile", "--name", name, "b.py"
    )
    assert done.returncode == 0, done.stderr.decode()
    yield f"localhost/buildr/{name}:latest"
    project.remove()
    project.engine.remove_images(f"localhost/buildr/{name}")


def test_system_packages_are_installed_by_root_with_the_package_manager_of_the_base(
    project: Site, base_with_apk: str
) -> None:
    script = "print(os.getuid(), open('/usr/local/share/asked').read())"
    project.script(script, imports="import os", package={"system_packages": ["git", "g++"]})
    done = project.run(env={"BUILDR_BASE_IMAGE": base_with_apk})
    assert done.stdout.split() == b"1000 add --no-cache git g++ as 0".split(), done.stderr.decode()


def test_a_base_without_a_package_manager_is_reported(project: Site) -> None:
    project.script(package={"system_packages": ["git"]})
    done = project.run()
    assert (done.returncode, done.stdout) == (125, b"")
    said = done.stderr.decode().splitlines()
    assert "system_packages: the base image has neither apk nor apt-get" in said


def test_a_lock_with_another_hash_is_refused(project: Site) -> None:
    project.write({"uv.lock": UV.replace("b6a8", "0000"), **LOCAL})
    project.script()
    done = project.run()
    assert (done.returncode, done.stdout) == (125, b"")
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr.decode()


def test_a_change_of_the_source_reinstalls_only_its_own_packages(project: Site) -> None:
    project.write({"uv.lock": UV, **LOCAL})
    project.script(SCRIPT, imports="import sys, iniconfig", package={"verbose": True})
    assert "Successfully installed iniconfig" in project.run().stderr.decode()
    project.script(SCRIPT + "print()", imports="import sys, iniconfig", package={"verbose": True})
    said = project.run("app.py", "local_lib").stderr.decode()
    assert "Successfully installed iniconfig" not in said
    assert "Successfully installed local-lib" in said
