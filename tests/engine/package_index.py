"""A private package index for the engine tests: PEP 503 over TLS, with a login, recording requests.

The certificates in ``tests/data/tls`` are for tests only; nothing else trusts them.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import ssl
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

CA = Path(__file__).parents[1] / "data/tls/index-ca.pem"
_CERTIFICATE = CA.with_name("index.pem")


def wheel(name: str, version: str = "1.0", files: dict[str, str] | None = None) -> bytes:
    """Return a wheel with one module."""
    info = f"{name}-{version}.dist-info"
    content = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
        **(files or {}),
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return stream.getvalue()


class Index:
    """A running index.

    Attributes:
        user: the user of the login; empty: no login is needed.
        password: the password of the login.
        asked: the paths of all requests with the login.
        refused: the number of requests without it.
        as_proxy: the logins of requests that used it as a proxy; it answers for every host.
        port: the port on every address of this host, since each engine's containers reach it by a different address.
    """

    def __init__(
        self,
        user: str,
        password: str,
        wheels: dict[str, bytes],
        sdists: dict[str, bytes] | None = None,
    ) -> None:
        self.user = user
        self.password = password
        self.asked: list[str] = []
        self.refused = 0
        self.as_proxy: list[str] = []
        self.port = 0
        self._pages = {
            "/simple/": "".join(f'<a href="{name}/">{name}</a>' for name in wheels).encode()
        }
        found = [(name, data, "-py3-none-any.whl") for name, data in wheels.items()]
        found += [(name, data, ".tar.gz") for name, data in (sdists or {}).items()]
        for name, data, ending in found:
            file = f"{name.replace('-', '_')}-1.0{ending}"
            digest = hashlib.sha256(data).hexdigest()
            page = f'<!DOCTYPE html><a href="/files/{file}#sha256={digest}">{file}</a>'
            self._pages[f"/simple/{name}/"] = page.encode()
            self._pages[f"/files/{file}"] = data

    @property
    def place(self) -> str:
        """Host and port of the index as containers reach it: both engines resolve the host's name."""
        return f"host.containers.internal:{self.port}/simple/"

    def answer(self, path: str, authorization: str) -> tuple[int, bytes]:
        """Return status and body."""
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if self.user and authorization != f"Basic {login}":
            self.refused += 1
            return 401, b"who are you?"
        self.asked.append(path)
        page = self._pages.get(path)
        return (200, page) if page is not None else (404, b"no such thing")


@contextlib.contextmanager
def serving(index: Index, *, tls: bool = True) -> Iterator[Index]:
    """Serve an index until the end of the block.

    Args:
        index: the index to serve.
        tls: whether to use TLS.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "://" in self.path:  # the request of a client that uses it as a proxy
                index.as_proxy.append(self.headers.get("Proxy-Authorization", ""))
            path = urlsplit(self.path).path
            status, body = index.answer(path, self.headers.get("Authorization", ""))
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
            kind = "text/html" if path.endswith("/") else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == 200 and not path.endswith("/"):  # the media type of PyPI
                self.send_header("Cache-Control", "max-age=365000000, immutable, public")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE)
    # Containers reach the host by the address of a bridge or network card, or by its loopback.
    with ThreadingHTTPServer(("0.0.0.0", 0), Handler) as server:
        if tls:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        index.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()
