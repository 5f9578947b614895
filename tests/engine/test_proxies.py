"""Installations use the proxy of the engine's own builds, and leave no trace of it."""

from __future__ import annotations

import base64
import json
import secrets
import socket
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import SAVE, Site, site
from tests.engine.package_index import Index, serving, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

LOGIN = f"c4nary{secrets.token_hex(8)}"
HOST = f"index-{secrets.token_hex(4)}.invalid"  # only the proxy resolves it
REQUIREMENTS = f"""\
--index-url http://{HOST}/simple/
--trusted-host {HOST}
behind-a-proxy
"""


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Index]:
    with serving(Index("", "", {"behind-a-proxy": wheel("behind_a_proxy")}), tls=False) as proxy:
        yield proxy


def own_address() -> str:
    """Return an address by which containers reach this host. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def proxied(project: Site, proxy: Index) -> dict[str, str]:
    """Configure the proxy for the engine's own command; return the variables."""
    url = f"http://me:{LOGIN}@{own_address()}:{proxy.port}"
    if project.engine.backend == "podman":
        return {"HTTP_PROXY": url}
    content = {"proxies": {"default": {"httpProxy": url}}}
    project.write({"docker/config.json": json.dumps(content), ".containerignore": "docker\n"})
    return {"DOCKER_CONFIG": str(project.directory / "docker")}


@pytest.mark.parametrize(
    "options",
    [{}, {"wheel_cache": True}, {"secrets": ["id=TOKEN"]}],
    ids=["a step of the build", "with the cache of wheels", "with a secret"],
)
def test_pip_uses_the_proxy_without_a_trace(
    project: Site, proxy: Index, options: dict[str, object]
) -> None:
    project.write({"requirements.txt": f"# {secrets.token_hex(8)}\n{REQUIREMENTS}"})
    project.script(
        "import os, behind_a_proxy\n"
        "print(behind_a_proxy.VERSION, [name for name in os.environ if 'proxy' in name.lower()])",
        package={"verbose": True, **options},
    )
    proxy.as_proxy.clear()

    done = project.run("app.py", env={**proxied(project, proxy), "TOKEN": "a-token-of-some-length"})

    assert done.stdout == b"1.0 []\n", done.stderr.decode()
    login = base64.b64encode(f"me:{LOGIN}".encode()).decode()
    assert set(proxy.as_proxy) == {f"Basic {login}"}
    saved = project.engine.python("-c", SAVE, project.reference, cwd=project.directory)
    assert b"behind_a_proxy" in saved.stdout
    kept = saved.stdout
    for image in project.images(prepared=True):
        kept += project.engine.cli("history", "--no-trunc", image).encode()
        kept += project.engine.cli("image", "inspect", image).encode()
    assert LOGIN.encode() not in kept + done.stderr
