"""Documents about a pushed image are found in its registry from the image itself."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import give
from tests.engine.images import Site, site
from tests.engine.test_reproducible import URL, commit, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine, Registries

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


def get(registries: Registries, registry: str, path: str) -> tuple[bytes, str]:
    request = urllib.request.Request(f"http://{registry}/v2/test/{path}")
    kinds = ("docker.distribution.manifest.v2", "oci.image.manifest.v1", "oci.image.index.v1")
    request.add_header("Accept", ", ".join(f"application/vnd.{kind}+json" for kind in kinds))
    if registry == registries.password:
        login = base64.b64encode(f"{registries.user}:{registries.secret}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http, as above
        return answer.read(), answer.headers.get("Docker-Content-Digest", "")


def push(project: Site, registry: str, *words: str, **env: str) -> None:
    """Push to a registry."""
    names = ("--repository", f"{registry}/test", "--name", project.name)
    done = project.run("-m", "buildr", "push", *words, *names, "app.py", env=env)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("with_password", [False, True])
def test_documents_are_found_from_the_pushed_image(
    project: Site, registries: Registries, *, with_password: bool
) -> None:
    registry = registries.password if with_password else registries.open
    config = project.directory.parent / "docker-config"
    config.mkdir()
    login = base64.b64encode(f"{registries.user}:{registries.secret}".encode()).decode()
    (config / "config.json").write_text(
        json.dumps({"auths": {registries.password: {"auth": login}}})
    )
    give(project.engine, config)
    write(project)
    revision = commit(project.directory, project.engine)
    # Beside the project, of which they would be a part otherwise.
    papers = config
    words = ("--sbom", f"{papers}/sbom.json", "--provenance", f"{papers}/provenance.json")
    push(project, registry, *words, DOCKER_CONFIG=str(config))
    project.engine.cli("rmi", "--force", f"{registry}/test/{project.name}:latest")

    manifest, digest = get(registries, registry, f"{project.name}/manifests/latest")
    assert digest == f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    tag = digest.replace(":", "-")
    index = json.loads(get(registries, registry, f"{project.name}/manifests/{tag}")[0])
    found = {row["artifactType"]: row for row in index["manifests"]}
    assert set(found) == {"application/vnd.cyclonedx+json", "application/vnd.in-toto+json"}
    for kind, name in (
        ("application/vnd.cyclonedx+json", "sbom.json"),
        ("application/vnd.in-toto+json", "provenance.json"),
    ):
        row = found[kind]
        artifact = json.loads(
            get(registries, registry, f"{project.name}/manifests/{row['digest']}")[0]
        )
        assert artifact["artifactType"] == kind
        assert (artifact["subject"]["digest"], artifact["subject"]["size"]) == (
            digest,
            len(manifest),
        )
        (layer,) = artifact["layers"]
        assert layer["annotations"] == {"org.opencontainers.image.title": name}
        blob = get(registries, registry, f"{project.name}/blobs/{layer['digest']}")[0]
        assert blob.decode() == (papers / name).read_text().rstrip("\n")

    statement = json.loads((papers / "provenance.json").read_text())
    assert statement["subject"] == [
        {
            "name": f"{registry}/test/{project.name}",
            "digest": {"sha256": digest.removeprefix("sha256:")},
        }
    ]
    (source,) = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source == {"uri": f"git+{URL}@{revision}", "digest": {"gitCommit": revision}}
