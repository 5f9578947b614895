"""Anonymous volumes: a run removes its own, and never those of another container."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.harness import give
from tests.engine.images import site as make_site

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.engine.harness import Engine
    from tests.engine.images import Site

IMPORTS = "import socket, sys"
# The host name is the beginning of the container's id.
BODY = """\
print(socket.gethostname(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def base(engine: Engine) -> Iterator[str]:
    """Build a base image with volumes, one of them at the place of the source."""
    for site in make_site(engine):
        (site.directory / "Containerfile").write_text(
            f"FROM {engine.base_image}\nVOLUME /app /data\n"
        )
        give(engine, site.directory)
        engine.cli(
            "build",
            "-q",
            "-t",
            site.reference,
            "-f",
            f"{site.directory}/Containerfile",
            str(site.directory),
        )
        yield site.reference


@pytest.fixture
def site(engine: Engine) -> Iterator[Site]:
    yield from make_site(engine)


def volumes(engine: Engine, *words: str) -> set[str]:
    """Return the names of all volumes."""
    return set(engine.cli("volume", "ls", "--quiet", *words).split())


def mounted(engine: Engine, container: str) -> dict[str, str]:
    """Return the volumes of a container by mount point."""
    found: list[dict[str, Any]] = json.loads(engine.cli("inspect", container))[0]["Mounts"]
    return {row["Destination"]: row["Name"] for row in found if row["Type"] == "volume"}


def run(site: Site, environ: Mapping[str, str]) -> dict[str, str]:
    """Run the script, and return its volumes by mount point."""
    process = site.engine.popen(sys.executable, "app.py", cwd=site.directory, env=environ)
    assert process.stdout is not None
    container = process.stdout.readline().decode().strip()
    assert container, process.communicate()
    found = mounted(site.engine, container)
    _, said = process.communicate(b"")
    assert process.returncode == 0, said.decode()
    return found


def test_the_volumes_of_a_base_image_go_with_the_run(site: Site, base: str) -> None:
    site.script(BODY, imports=IMPORTS)
    found = run(site, {"BUILDR_BASE_IMAGE": base})
    assert found.keys() == {"/app", "/data"}
    assert volumes(site.engine).isdisjoint(found.values())


def test_they_go_with_a_detached_run_that_is_stopped(site: Site, base: str) -> None:
    engine = site.engine
    site.script(
        "time.sleep(600)", imports="import time", runtime={"detach": True, "grace_seconds": 0}
    )
    environ = {"BUILDR_BASE_IMAGE": base}
    started = engine.python("app.py", cwd=site.directory, env=environ)
    assert started.returncode == 0, started.stderr.decode()
    run_id = started.stdout.decode().strip()
    [container] = engine.cli("ps", "--quiet", "--filter", f"label=buildr.run={run_id}").split()
    found = mounted(engine, container)
    assert found.keys() == {"/app", "/data"}
    stopped = engine.python("-m", "buildr", "stop", run_id, cwd=site.directory)
    assert stopped.returncode == 0, stopped.stderr.decode()
    assert volumes(engine).isdisjoint(found.values())


def test_a_run_keeps_a_volume_of_another_container_that_it_mounts_by_id(
    site: Site, base: str
) -> None:
    engine = site.engine
    other = engine.cli("create", "-v", "/its", engine.base_image, "true").strip()
    [its] = mounted(engine, other).values()
    engine.cli("rm", other)
    try:
        site.script(BODY, imports=IMPORTS, runtime={"mounts": [f"{its}:/its"]})
        found = run(site, {"BUILDR_BASE_IMAGE": base})
        assert found.pop("/its") == its
        assert found.keys() == {"/app", "/data"}
        left = volumes(engine)
        assert its in left
        assert left.isdisjoint(found.values())
    finally:
        engine.cli("volume", "rm", its)


def test_a_run_keeps_its_volume_if_another_container_uses_it(site: Site, base: str) -> None:
    engine = site.engine
    site.script(BODY, imports=IMPORTS)
    process = engine.popen(
        sys.executable, "app.py", cwd=site.directory, env={"BUILDR_BASE_IMAGE": base}
    )
    assert process.stdout is not None
    container = process.stdout.readline().decode().strip()
    found = mounted(engine, container)
    other = engine.cli("create", "--volumes-from", container, engine.base_image, "true").strip()
    try:
        _, said = process.communicate(b"")
        assert process.returncode == 0, said.decode()
        assert set(found.values()) <= volumes(engine)
    finally:
        engine.cli("rm", "--force", "--volumes", other)


def test_installing_and_inspecting_leaves_no_volumes(site: Site, base: str) -> None:
    unused = ("--filter", "dangling=true")
    before = volumes(site.engine, *unused)
    site.write({"requirements.txt": ""})
    site.script("print(1)", package={"secrets": ["pip"]})
    environ = {"BUILDR_BASE_IMAGE": base}
    built = site.run("-m", "buildr", "build", "--sbom", "sbom.json", "app.py", env=environ)
    assert built.returncode == 0, built.stderr.decode()
    left = volumes(site.engine, *unused) - before
    # Podman removes a volume a moment after its container; volumes of other tests may disappear meanwhile, too.
    assert not left & volumes(site.engine, *unused)


def test_a_sweep_removes_no_volumes(site: Site) -> None:
    engine = site.engine
    labels = {"run": "x", "uid": str(engine.uid), "pid": "1", "started": "1", "boot": "another"}
    words = [
        word for name, value in labels.items() for word in ("--label", f"buildr.{name}={value}")
    ]
    other = engine.cli("create", "-v", "/its", *words, engine.base_image, "true").strip()
    [its] = mounted(engine, other).values()
    try:
        site.script("pass")
        assert site.run().returncode == 0
        assert site.run("-m", "buildr", "prune").returncode == 0
        assert its in volumes(engine)
    finally:
        engine.run(engine.backend, "rm", "--force", other, cwd=site.directory)
        engine.run(engine.backend, "volume", "rm", its, cwd=site.directory)
