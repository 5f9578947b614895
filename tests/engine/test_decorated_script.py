"""All commands build the same image of a decorated script, and the documentation's recipes build images that run."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.engine.images import Site, files_of, inspect, site
from tests.engine.package_index import wheel
from tests.engine.test_identity import FILES_OF_PODMAN
from tests.samples import ROOT, samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine, Registries
    from tests.engine.images import File

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

SCRIPT = """\
import os, sys
import buildr as b
from buildr import PackageFile

BASE = {{"name": "{name}", "dependencies_file": "packages.txt"}}

class App:
    @b.Containerize(
        package={{**BASE, "repository": f"{registry}/test", "tag": "v" "1",
                  "additional_files": [PackageFile("settings.toml", "/etc/app/settings.toml", "0440")]}},
        runtime=dict(env={{"MODE": "of-the-run"}}),
    )
    def main(self):
        import demo
        print("inside", demo.VERSION, os.environ.get("MODE"), open("/etc/app/settings.toml").read(), sys.argv[1:])
        sys.exit(3)

@b.Containerize(package={{"name": "another"}})
def another(): ...

def start():
    App().main()

if __name__ == "__main__":
    start()
"""
NOT_CONFIGURATION = {"Labels", "Image", "Hostname", "Domainname"}
"""Metadata of the build, and names that Buildr sets for itself."""


@pytest.fixture
def own(engine: Engine, registries: Registries) -> Iterator[Site]:
    for made in site(engine):
        made.write(
            {
                # Parallel tests share no layer with this one, and remove none of it.
                "demo-1.0-py3-none-any.whl": wheel("demo", files={"name.txt": made.name}),
                "packages.txt": "./demo-1.0-py3-none-any.whl\n",
                "settings.toml": "x = 1",
                "app.py": SCRIPT.format(name=made.name, registry=registries.open),
            }
        )
        yield made
        engine.remove_images(f"{registries.open}/test/{made.name}")


def configuration(engine: Engine, reference: str) -> dict[str, Any]:
    """Return the configuration that determines how containers of an image run."""
    found = inspect(engine, reference)["Config"]
    return {key: value for key, value in found.items() if key not in NOT_CONFIGURATION and value}


WAYS = (
    ("app.py", 3),
    ("-m buildr run app.py", 3),
    ("-m buildr build app.py", 0),
    ("-m buildr push app.py", 0),
)
"""Commands that build the image, with their exit status."""


def made_by(engine: Engine, own: Site, command: str, status: int, reference: str) -> dict[str, Any]:
    """Run a command, and return the resulting image of its script."""
    done = own.run(*command.split())
    assert done.returncode == status, done.stderr.decode()
    if status:
        assert done.stdout == b"inside 1.0 of-the-run x = 1 []\n"
    return inspect(engine, reference)


def test_all_commands_use_an_image_built_by_one_of_them(
    engine: Engine, own: Site, registries: Registries
) -> None:
    reference = f"{registries.open}/test/{own.name}:v1"
    ran, built = WAYS[:2], WAYS[2:]
    assert len({made_by(engine, own, *way, reference)["Id"] for way in ran}) == 1
    # What is made for others takes the place of what has only run here.
    assert len({made_by(engine, own, *way, reference)["Id"] for way in (*built, *WAYS)}) == 1


def test_every_command_builds_the_same_image(
    engine: Engine, own: Site, registries: Registries
) -> None:
    repository = f"{registries.open}/test/{own.name}"
    made = []
    for way in WAYS:
        image = made_by(engine, own, *way, f"{repository}:v1")
        files = contents(files_of(engine, f"{repository}:v1"))
        labels = {
            name: text
            for name, text in image["Config"]["Labels"].items()
            if name != "buildr.normalised"  # what is made for others has it
        }
        made.append((labels, configuration(engine, f"{repository}:v1"), files))
        engine.remove_images(repository)
        own.remove()
    assert all(one == made[0] for one in made[1:])


def contents(files: dict[str, File]) -> dict[str, File]:
    """Return the files without the times at which they were made, and without what only a step leaves."""
    left = {*FILES_OF_PODMAN, "/tmp"}
    return {path: replace(file, time=0) for path, file in files.items() if path not in left}


def test_the_ejected_project_builds_the_same_image(
    engine: Engine, own: Site, registries: Registries
) -> None:
    reference = f"{registries.open}/test/{own.name}:v1"
    made_by(engine, own, "-m buildr build app.py", 0, reference)
    ejected = own.run("-m", "buildr", "eject", "-q", "-o", "out", "app.py")
    assert ejected.returncode == 0, ejected.stderr.decode()
    out = own.directory / "out"
    tag = f"localhost/ejected-{secrets.token_hex(5)}"
    try:
        words = (engine.backend, "build", "-t", tag, "-f", f"{out}/Containerfile", str(out))
        built = engine.run(*words, cwd=own.directory)
        assert built.returncode == 0, built.stderr.decode()
        assert contents(files_of(engine, tag)) == contents(files_of(engine, reference))
        assert configuration(engine, tag) == configuration(engine, reference)
    finally:
        engine.run(engine.backend, "rmi", "--force", tag, cwd=own.directory)


def recipe(page: str, mark: str) -> str:
    """Return the first block of a page that contains a text."""
    return next(s.text for s in samples(ROOT / "docs" / page) if mark in s.text)


def test_the_recipe_for_a_server_of_titles_builds_an_image_that_runs(
    engine: Engine, own: Site
) -> None:
    script = recipe("coming-from.md", "inflection.titleize(text)\n\n    uvicorn")
    commands = recipe("coming-from.md", "buildr build titles.py").splitlines()
    names = re.search(r'"dependencies": \[(.*)\]', script)
    assert names is not None
    packages = [name.strip('" ') for name in names[1].split(",")]
    # Local packages that replace those of the index.
    own.write({f"wheels/{name}-1.0-py3-none-any.whl": wheel(name) for name in packages})
    lines = (f"./wheels/{name}-1.0-py3-none-any.whl\n" for name in packages)
    script = script.replace(names[0], '"dependencies_file": "titles.txt"')
    script = script.replace('"py_version"', f'"name": "{own.name}", "py_version"')
    own.write({"titles.txt": "".join(lines), "titles.py": script})
    for command in commands:
        done = own.run("-m", *command.split())
        assert done.returncode == 0, done.stderr.decode()
    imports = "; ".join(f"import {name}; print({name}.VERSION)" for name in packages)
    ran = engine.run(
        *(engine.backend, "run", "--rm", own.reference, "python", "-c", imports), cwd=own.directory
    )
    assert (ran.returncode, ran.stdout) == (0, b"1.0\n" * len(packages)), ran.stderr.decode()


def test_the_recipe_for_a_service_builds_the_image_of_its_unit(engine: Engine, own: Site) -> None:
    commands = recipe("quadlet.md", "buildr quadlet -o").splitlines()
    build = commands[0].partition("#")[0].split()
    quadlet = [
        word for word in commands[1].split() if word not in ("-o", "~/.config/containers/systemd")
    ]
    built = own.run("-m", *build)
    assert built.returncode == 0, built.stderr.decode()
    unit = own.run("-m", *quadlet)
    assert unit.returncode == 0, unit.stderr.decode()
    lines = dict(line.split("=", 1) for line in unit.stdout.decode().splitlines() if "=" in line)
    assert lines["Exec"] == "python -u /app/app.py --its --arguments"
    words = (*lines["Exec"].split(),)
    ran = engine.run(
        *(engine.backend, "run", "--rm", "-e", lines["Environment"], lines["Image"], *words),
        cwd=own.directory,
    )
    expected = b"inside 1.0 of-the-run x = 1 ['--its', '--arguments']\n"
    assert (ran.returncode, ran.stdout) == (3, expected), ran.stderr.decode()
