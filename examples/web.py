"""A web server in a container: python examples/web.py, then open http://127.0.0.1:8080. Ctrl+C stops it."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from buildr import Containerize

PORT = 8080


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"hello {self.client_address[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@Containerize(package={"name": "web"}, runtime={"ports": [PORT]})
def main() -> None:
    # Every address of the container; outside, the port is open on 127.0.0.1 only.
    server = ThreadingHTTPServer(("", PORT), Hello)
    try:
        print(f"serving on http://127.0.0.1:{PORT}")
        server.serve_forever()
    except KeyboardInterrupt:
        print("bye")


if __name__ == "__main__":
    main()
