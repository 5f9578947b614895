"""A second installation downloads and compiles nothing that an earlier one did, and leaves no trace of the cache."""

from __future__ import annotations

import io
import secrets
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import Site, files_of, inspect, site
from tests.engine.package_index import Index, serving, wheel
from tests.engine.test_dependencies import BACKEND, PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

IMPORTS = "import os, sys"
CACHED = {"wheel_cache": True}
SHOW = """\
import importlib
for name in sys.argv[1:]:
    print(name, importlib.import_module(name).VERSION)
"""

# Changes by a build: a file and a folder are removed, a file replaces a folder, and a folder replaces a file.
ODD = (
    "import shutil; os.remove('/etc/debconf.conf'); shutil.rmtree('/etc/update-motd.d', ignore_errors=True);"
    " shutil.rmtree('/etc/skel'); open('/etc/skel', 'w').close(); os.remove('/etc/issue'); os.makedirs('/etc/issue/deep')"
)
LOOK = """\
print(os.path.lexists("/etc/debconf.conf"), os.path.lexists("/etc/update-motd.d"), os.path.isfile("/etc/skel"))
print(os.listdir("/etc/issue"), oct(os.stat("/etc").st_mode), os.stat("/etc").st_uid)
"""


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


@pytest.fixture
def other(engine: Engine) -> Iterator[Site]:
    yield from site(engine, "other")


def sdist(name: str, more: str = "") -> bytes:
    """Return a source distribution whose module holds a random number from its build.

    Args:
        name: its name.
        more: further statements of its build.
    """
    top = f"{name}-1.0"
    backend = BACKEND.replace('"main_package"', repr(name))
    backend = backend.replace(
        "    wheel = f",
        f"    open('{name}.py', 'w').write(f'VERSION = {{int.from_bytes(os.urandom(8), \"big\")}}')\n    {more}\n    wheel = f",
    )
    files = {
        "pyproject.toml": PROJECT,
        "backend.py": backend,
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


@pytest.fixture(scope="module")
def names() -> tuple[str, str, str, str]:
    """New names: two of wheels, and two of source distributions."""
    end = secrets.token_hex(5)
    return f"one{end}", f"two{end}", f"built{end}", f"odd{end}"


@pytest.fixture(scope="module")
def index(names: tuple[str, str, str, str]) -> Iterator[Index]:
    one, two, built, odd = names
    wheels = {one: wheel(one), two: wheel(two)}
    sdists = {built: sdist(built), odd: sdist(odd, ODD)}
    with serving(Index("", "", wheels, sdists=sdists), tls=False) as index:
        yield index


def requirements(index: Index, *names: str) -> str:
    host = index.place.partition(":")[0]
    lines = [f"--index-url http://{index.place}", f"--trusted-host {host}", *names]
    return "\n".join(lines) + "\n"


def downloads(index: Index) -> list[str]:
    """Return the files that were requested since the last call."""
    found = [path.rpartition("/")[2] for path in index.asked if path.startswith("/files/")]
    index.asked.clear()
    return found


def test_installed_packages_are_neither_downloaded_nor_built_again(
    project: Site, other: Site, index: Index, names: tuple[str, str, str, str]
) -> None:
    one, two, built, _ = names
    project.script(SHOW, imports=IMPORTS, package=CACHED)
    project.write({"requirements.txt": requirements(index, one, built)})
    index.asked.clear()
    first = project.run("app.py", one, built)
    assert first.returncode == 0, first.stderr.decode()
    assert sorted(downloads(index)) == sorted(
        [f"{one}-1.0-py3-none-any.whl", f"{built}-1.0.tar.gz"]
    )

    project.write({"requirements.txt": requirements(index, one, built, two)})
    second = project.run("app.py", one, built)
    # It has the number of the first build: it was not built again.
    assert second.stdout == first.stdout, second.stderr.decode()
    assert downloads(index) == [f"{two}-1.0-py3-none-any.whl"]

    other.script(SHOW, imports=IMPORTS, package=CACHED)
    other.write({"requirements.txt": requirements(index, two, built)})
    third = other.run("app.py", two, built)
    assert third.stdout.splitlines()[1:] == first.stdout.splitlines()[1:], third.stderr.decode()
    assert downloads(index) == []

    # A second script with the same dependencies installs nothing at all.
    other.script(SHOW, imports=IMPORTS, package=CACHED, path="second.py")
    assert other.run("second.py", two).stdout == f"{two} 1.0\n".encode()
    assert index.asked == []


def test_the_image_equals_one_from_a_build(project: Site) -> None:
    project.write({"requirements.txt": "iniconfig==2.0.0\npip==22.3.1\n"})
    files, configuration = {}, {}
    for cached, tag in ((True, "cached"), (False, "plain")):
        project.script(package={"wheel_cache": cached, "tag": tag})
        done = project.run()
        assert done.returncode == 0, done.stderr.decode()
        reference = f"localhost/buildr/{project.name}:{tag}"
        files[cached] = files_of(project.engine, reference)
        configuration[cached] = inspect(project.engine, reference)["Config"]
    # Mount points and temporary files of a step's container, and the script itself.
    apart = (
        "/dev",
        "/run",
        "/tmp",
        "/etc/hosts",
        "/etc/hostname",
        "/etc/resolv.conf",
        "/app/app.py",
    )
    kept = {
        cached: {
            path: (file.kind, file.mode, file.owner, file.target, file.digest)
            for path, file in found.items()
            if path not in apart
        }
        for cached, found in files.items()
    }
    assert "/usr/local/share/buildr/dependencies/requirements.txt" in kept[True]
    assert kept[True] == kept[False]
    labels = configuration[True].pop("Labels")
    assert labels.pop("buildr.wheels")
    assert labels.pop("buildr.ground")
    plain = configuration[False].pop("Labels")
    assert labels.keys() == plain.keys()
    for found in configuration.values():
        for name in ("Hostname", "Image"):  # from Docker's last step
            found.pop(name, None)
    assert configuration[True] == configuration[False]


def test_files_removed_or_replaced_by_an_installation_are_so_in_the_image(
    project: Site, index: Index, names: tuple[str, str, str, str]
) -> None:
    project.script(LOOK, imports=IMPORTS, package=CACHED)
    project.write({"requirements.txt": requirements(index, names[-1])})
    done = project.run()
    assert done.stdout.decode().splitlines() == [
        "False False True",
        "['deep'] 0o40755 0",
    ], done.stderr.decode()
