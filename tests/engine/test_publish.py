"""Publishing: the image is pushed with the user's login, and runs from the registry with any engine's command."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import await_line, give
from tests.engine.images import Site, nothing_left, site
from tests.engine.test_failures import assert_failed, closed_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from tests.engine.harness import Engine, Registries

WRONG = "not-the-password"

BODY = """\
if os.environ.get("WAIT"):
    print("waiting", flush=True)
    time.sleep(600)
print("inside:", os.environ["BUILDR_IN_CONTAINER"])
sys.exit(7)
"""


# The usual base image would be compressed, pushed and pulled a dozen times.
SMALL = """\
FROM {base} AS whole
RUN library=$(echo /usr/lib/python3.*) && cd "$library" && rm -rf test idlelib ensurepip lib2to3 config-* pydoc_data \\
    && find . -name __pycache__ -prune -exec rm -r {{}} + \\
    && cd / && mkdir -p slim/usr/bin slim/usr/lib slim/usr/lib64 slim/tmp && cp -a bin lib lib64 slim \\
    && programs="bin/sh bin/chmod bin/chown bin/grep bin/mkdir usr/bin/${{library##*/}}" \\
    && cp --parents -L $programs $(ldd $programs | grep -o '/lib[^ ]*' | cut -c2- | sort -u) slim \\
    && cp --parents -a etc/passwd etc/group usr/local/bin/python usr/bin/python3 ${{library#/}} slim
FROM scratch
COPY --from=whole /slim /
ENV PATH=/usr/local/bin:/usr/bin
"""


class Bases:
    """A small base image on each engine, built on first use."""

    def __init__(self) -> None:
        self.name = f"localhost/buildr-test/small-{secrets.token_hex(5)}:latest"
        self._engines: dict[str, Engine] = {}

    def on(self, engine: Engine) -> dict[str, str]:
        """Return the environment in which an engine's builds use the small image."""
        if engine.name not in self._engines:
            done = engine.run(
                *(engine.backend, "build", "--tag", self.name, "-"),
                cwd=Path("/"),
                stdin=SMALL.format(base=engine.base_image).encode(),
            )
            assert done.returncode == 0, done.stderr.decode()
            self._engines[engine.name] = engine
        return {"BUILDR_BASE_IMAGE": self.name}

    def remove(self) -> None:
        for engine in self._engines.values():
            engine.cli("rmi", "--force", self.name)


@pytest.fixture(scope="module")
def bases() -> Iterator[Bases]:
    found = Bases()
    yield found
    found.remove()


@pytest.fixture(scope="module")
def _clean(engine: Engine) -> Iterator[None]:
    yield from nothing_left(engine)


@pytest.fixture
def own(engine: Engine, bases: Bases, _clean: None) -> Iterator[Site]:
    for made in site(engine):
        environ = engine.environ
        engine.environ = {**environ, **bases.on(engine)}
        try:
            yield made
        finally:
            engine.environ = environ


@pytest.fixture
def other(engine: Engine, docker: Engine, rootless_podman: Engine) -> Engine:
    """A second engine."""
    return rootless_podman if engine.name == docker.name else docker


def publish(
    own: Site, registry: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the script with an image that is pushed to ``test/NAME``, the project's name."""
    package = {"repository": f"{registry}/test", "publish": True}
    own.script(BODY, imports="import os, sys, time", package=package)
    return own.run(env=env)


def assert_published(
    own: Site, done: subprocess.CompletedProcess[bytes], registries: Registries, registry: str
) -> None:
    """Check that the run reports it, that the script ran, and that the registry has the image."""
    assert (done.returncode, done.stdout) == (7, b"inside: true\n"), done.stderr.decode()
    assert f"buildr: pushed {registry}/test/{own.name}:latest" in done.stderr.decode()
    for secret in (registries.secret, login(registries, registries.secret)):
        assert secret not in done.stderr.decode()
    assert tags(registries, registry, own.name) == ["latest"]


def tags(registries: Registries, registry: str, name: str) -> list[str]:
    """Return the tags of a project's image in the registry."""
    request = urllib.request.Request(f"http://{registry}/v2/test/{name}/tags/list")
    if registry == registries.password:
        request.add_header("Authorization", f"Basic {login(registries, registries.secret)}")
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http, see the line above
        found: list[str] = json.load(answer)["tags"]
        return found


def login(registries: Registries, password: str) -> str:
    return base64.b64encode(f"{registries.user}:{password}".encode()).decode()


def docker_config(own: Site, registries: Registries, password: str) -> dict[str, str]:
    """Write a login as ``docker login`` does; return the environment that selects it."""
    directory = own.directory.parent / "docker-config"
    directory.mkdir()
    auths = {registries.password: {"auth": login(registries, password)}}
    (directory / "config.json").write_text(json.dumps({"auths": auths}))
    give(own.engine, directory)
    return {"DOCKER_CONFIG": str(directory)}


def podman_login(own: Site, registries: Registries) -> dict[str, str]:
    """Log in with Podman's own command; return the environment that selects the login."""
    directory = own.directory.parent / "podman-login"
    directory.mkdir()
    give(own.engine, directory)
    done = own.engine.run(
        *("podman", "login", "--tls-verify=false", "--authfile", f"{directory}/auth.json"),
        *("--username", registries.user, "--password-stdin", registries.password),
        cwd=directory,
        stdin=registries.secret.encode(),
    )
    assert done.returncode == 0, done.stderr.decode()
    return {"REGISTRY_AUTH_FILE": f"{directory}/auth.json", "DOCKER_CONFIG": str(directory)}


def test_another_engine_runs_a_published_image(
    own: Site, other: Engine, registries: Registries
) -> None:
    done = publish(own, registries.open)
    assert_published(own, done, registries, registries.open)
    image = f"{registries.open}/test/{own.name}:latest"
    other.cli("pull", image)
    try:
        plain = other.run(other.backend, "run", "--rm", image, cwd=Path("/"))
        assert (plain.returncode, plain.stdout) == (7, b"inside: true\n"), plain.stderr.decode()
        assert status_on_sigterm(other, image) == 143
    finally:
        other.cli("rmi", "--force", image)


def test_push_builds_and_publishes_without_a_run(own: Site, registries: Registries) -> None:
    own.script("sys.exit('this ran')", imports="import sys")
    (own.directory / "pyproject.toml").write_text(
        f"[tool.buildr.package]\nrepository = '{registries.open}/test'\ntag = 'v1'\n"
        f"name = '{own.name}'\n"
    )
    give(own.engine, own.directory)
    done = own.engine.python("-m", "buildr", "push", "app.py", cwd=own.directory)
    reference = f"{registries.open}/test/{own.name}:v1"
    assert (done.returncode, done.stdout.decode()) == (0, f"{reference}\n"), done.stderr.decode()
    assert f"buildr: pushed {reference}" in done.stderr.decode()
    assert tags(registries, registries.open, own.name) == ["v1"]


def status_on_sigterm(engine: Engine, image: str) -> int:
    """Run an image that waits, send SIGTERM, and return its exit status."""
    name = f"sigterm-{uuid.uuid4().hex[:12]}"
    words = ("run", "--rm", "--name", name, "--env", "WAIT=1", image)
    with engine.popen(engine.backend, *words, cwd=Path("/")) as process:
        try:
            await_line(process, b"waiting")
            engine.cli("kill", "--signal", "TERM", name)
            return process.wait(60)
        finally:
            process.kill()
            engine.run(engine.backend, "rm", "--force", name, cwd=Path("/"))


def test_the_login_of_either_command_is_used(own: Site, registries: Registries) -> None:
    for env in (
        podman_login(own, registries),
        docker_config(own, registries, registries.secret),
    ):
        done = publish(own, registries.password, env)
        assert_published(own, done, registries, registries.password)


def test_a_refused_push_is_an_error_that_shows_no_secret(own: Site, registries: Registries) -> None:
    env = docker_config(own, registries, WRONG)
    refused = publish(own, registries.password, env)
    (own.directory.parent / "docker-config" / "config.json").write_text("{}")
    nobody = publish(own, registries.password, env)
    for done in (refused, nobody):
        assert_failed(
            done,
            f"the image cannot be pushed to {registries.password}/test/{own.name}:latest",
            f"podman login {registries.password} or docker login {registries.password}",
        )
        for secret in (WRONG, login(registries, WRONG)):
            assert secret not in done.stderr.decode()


def test_a_registry_that_is_not_there_is_an_error(own: Site) -> None:
    registry = f"127.0.0.1:{closed_port()}"
    done = publish(own, registry)
    assert_failed(
        done,
        f"the image cannot be pushed to {registry}/test/{own.name}:latest",
        "refused",
        "Is the registry right and reachable?",
    )


@pytest.mark.parametrize("builder", ["docker", "podman"])
def test_one_engine_builds_and_another_runs_via_the_registry(
    docker: Engine, root_podman: Engine, bases: Bases, registries: Registries, builder: str
) -> None:
    builds, runs = (docker, root_podman) if builder == "docker" else (root_podman, docker)
    for own in site(builds):
        package = {"repository": f"{registries.open}/test", "publish": True, "builder": builder}
        own.script(
            BODY,
            imports="import os, sys, time",
            package=package,
            runtime={"executor": runs.backend},
        )
        env = {**docker.environ, **root_podman.environ, **bases.on(builds)}
        left = [nothing_left(engine) for engine in (builds, runs)]
        for check in left:
            next(check)
        done = own.run(*without_choice("app.py"), env=env)
        try:
            assert_published(own, done, registries, registries.open)
            runs.cli("image", "inspect", f"{registries.open}/test/{own.name}:latest")
        finally:
            runs.cli("rmi", "--force", f"{registries.open}/test/{own.name}:latest")
        for check in left:
            next(check, None)


def test_two_engines_without_a_registry_between_them_are_refused(
    docker: Engine, root_podman: Engine
) -> None:
    for own in site(root_podman):
        own.script(BODY, package={"builder": "docker"}, runtime={"executor": "podman"})
        env = {**docker.environ, **root_podman.environ}
        done = own.run(*without_choice("app.py"), env=env)
        assert_failed(
            done,
            "the image is built by docker and run by podman, so it must be published",
            "Set package.repository and package.publish",
        )


def without_choice(*words: str) -> tuple[str, ...]:
    """Return the arguments for Python that run a script without an engine chosen by the environment."""
    program = "import os, sys; del os.environ['BUILDR_BACKEND']; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    return ("-c", program, *words)


def test_the_digest_of_a_base_image_is_enforced(own: Site, registries: Registries) -> None:
    done = publish(own, registries.open)
    assert done.returncode == 7, done.stderr.decode()
    kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    url = f"http://{registries.open}/v2/test/{own.name}/manifests/latest"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": kinds})) as answer:
        digest = answer.headers["Docker-Content-Digest"]
    reference = f"{registries.open}/test/{own.name}@{digest}"
    own.engine.cli("rmi", "--force", f"{registries.open}/test/{own.name}:latest")
    own.remove()

    # Pulled by the digest, whatever the tag refers to now.
    own.script("print('on top')", package={"base_image": reference})
    done = own.run(env={"BUILDR_BASE_IMAGE": ""})
    assert (done.returncode, done.stdout) == (0, b"on top\n"), done.stderr.decode()
    own.remove()
    own.engine.cli("rmi", "--force", reference)

    other = reference.replace(digest, "sha256:" + "0" * 64)
    own.script("print('on top')", package={"base_image": other})
    done = own.run(env={"BUILDR_BASE_IMAGE": ""})
    assert (done.returncode, done.stdout) == (125, b""), done.stderr.decode()
    assert f"the image {other} cannot be pulled" in done.stderr.decode()
