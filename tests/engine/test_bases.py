"""Base images that differ from the official Python image."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import Site
from tests.engine.images import site as make_site
from tests.engine.package_index import wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine, Registries

DEBIAN = 'RUN rm /usr/local/bin/python && touch "$(echo /usr/lib/python3.*)/EXTERNALLY-MANAGED"'
"""Makes a base image like Debian's Python packages: without `python`, and with an externally managed environment."""

IDENTITY = """\
print(os.getuid(), os.getgid(), os.getcwd(), os.environ["HOME"])
print(sorted(os.listdir("/app")), os.access("/app", os.W_OK))
"""

NONE = "sha256:" + "0" * 64


@pytest.fixture
def site(engine: Engine) -> Iterator[Site]:
    yield from make_site(engine)


def test_a_base_image_with_its_own_user_works(site: Site) -> None:
    """Like those of Jupyter and Bitnami. The guest runs as uid 1000 there, too."""
    base = f"localhost/buildr/{site.name}:base"
    build(site.engine, base, "RUN mkdir -m 0700 /own\nWORKDIR /own\nUSER 4321")
    site.script(IDENTITY, imports="import os")
    for _ in range(2):
        done = site.run(env={"BUILDR_BASE_IMAGE": base})
        assert (done.returncode, done.stdout.decode()) == (
            0,
            "1000 0 /app /home/app\n['app.py'] True\n",
        ), done.stderr.decode()


def test_a_base_image_with_debian_python_works(site: Site) -> None:
    base = f"localhost/buildr/{site.name}:base"
    build(site.engine, base, DEBIAN)
    name = "small-1.0-py3-none-any.whl"
    site.write({name: wheel("small"), "requirements.txt": f"./{name}\n"})
    site.script("import small\nprint(small.VERSION)")
    done = site.run(env={"BUILDR_BASE_IMAGE": base})
    assert (done.returncode, done.stdout) == (0, b"1.0\n"), done.stderr.decode()


def test_a_base_image_with_a_digest_is_that_image_or_an_error(
    site: Site, registries: Registries
) -> None:
    engine, repository = site.engine, f"{registries.open}/test/{site.name}"
    # A separate image: removing one by its digest may remove all its names.
    build(engine, f"{repository}:base", f"LABEL test={site.name}")
    pushed = ("push", "--tls-verify=false") if engine.backend == "podman" else ("push",)
    engine.cli(*pushed, f"{repository}:base")
    engine.cli("rmi", f"{repository}:base")
    site.script("print('on that base')")
    whole = f"{repository}@{digest_of(registries.open, site.name)}"
    done = site.run(env={"BUILDR_BASE_IMAGE": whole})
    assert (done.returncode, done.stdout) == (0, b"on that base\n"), done.stderr.decode()
    done = site.run(env={"BUILDR_BASE_IMAGE": f"{repository}@{NONE}"})
    assert (done.returncode, done.stdout) == (125, b"")
    assert f"the image {repository}@{NONE} cannot be pulled" in done.stderr.decode()
    site.remove()
    engine.cli("rmi", "--force", whole)


def build(engine: Engine, reference: str, text: str) -> None:
    """Build an image on top of the engine's base image."""
    command = (engine.backend, "build", "--tag", reference, "-")
    done = engine.run(*command, cwd=Path("/"), stdin=f"FROM {engine.base_image}\n{text}\n".encode())
    assert done.returncode == 0, done.stderr.decode()


def digest_of(registry: str, name: str) -> str:
    """Ask a registry for a manifest's digest (OCI distribution specification, "Pulling manifests")."""
    request = urllib.request.Request(
        f"http://{registry}/v2/test/{name}/manifests/base", method="HEAD"
    )
    kinds = ("docker.distribution.manifest.v2", "oci.image.manifest.v1")
    request.add_header("Accept", ", ".join(f"application/vnd.{kind}+json" for kind in kinds))
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http, see the line above
        return str(answer.headers["Docker-Content-Digest"])
