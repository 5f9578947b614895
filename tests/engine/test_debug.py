"""A debugger attaches to a script in its container: the Debug Adapter Protocol over the published port."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.engine.harness import give

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.harness import Engine

SECONDS = 120  # longer than any expected wait
SCRIPT = """\
import sys
answer = 41
print("before the breakpoint", flush=True)
print("after it", answer, sys.argv, sys.path[0], __name__, flush=True)
sys.exit(4)
"""


class Client:
    """A minimal debugger client: https://microsoft.github.io/debug-adapter-protocol/specification."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._file = self._socket.makefile("rwb")
        self._number = 0

    def request(self, command: str, **arguments: Any) -> None:
        self._number += 1
        message = {"seq": self._number, "type": "request", "command": command}
        body = json.dumps({**message, "arguments": arguments}).encode()
        self._file.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._file.flush()

    def expect(self, kind: str, name: str) -> dict[str, Any]:
        """Read up to an event or a response to a command."""
        while True:
            length = 0
            while header := self._file.readline().strip():
                length = int(header.partition(b":")[2])
            assert length, f"the connection ended before the {kind} {name}"
            message = json.loads(self._file.read(length))
            if message["type"] == kind and message.get("event", message.get("command")) == name:
                assert message.get("success", True), message
                return message.get("body") or {}

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def test_a_debugger_attaches_stops_at_a_breakpoint_and_changes_a_variable(
    engine: Engine, project: Path
) -> None:
    (project / "debugged.py").write_text(SCRIPT)
    give(engine, project)
    process = engine.popen(
        *(sys.executable, "-m", "buildr", "run", "--debug", "0", "debugged.py", "an argument"),
        cwd=project,
        stderr=subprocess.STDOUT,
    )
    with process:
        assert process.stdout is not None
        said = b""
        while b"the script waits for a debugger" not in said or b" here\n" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        port = re.search(rb"port 5678/tcp of the guest is 127\.0\.0\.1:(\d+) here", said)
        assert port, said
        assert b"before the breakpoint" not in said

        client = Client(int(port[1]))
        client.request("initialize", adapterID="test", pathFormat="path")
        client.expect("response", "initialize")
        mapping = {"localRoot": str(project), "remoteRoot": "/app"}
        client.request("attach", pathMappings=[mapping])
        client.expect("event", "initialized")
        client.request(
            "setBreakpoints",
            source={"path": str(project / "debugged.py")},
            breakpoints=[{"line": 4}],
        )
        assert client.expect("response", "setBreakpoints")["breakpoints"][0]["verified"]
        client.request("configurationDone")
        thread = client.expect("event", "stopped")["threadId"]
        assert process.stdout.readline() == b"before the breakpoint\n"

        client.request("stackTrace", threadId=thread)
        frame = client.expect("response", "stackTrace")["stackFrames"][0]
        assert (frame["source"]["path"], frame["line"]) == (str(project / "debugged.py"), 4)
        client.request("evaluate", expression="answer = 42", frameId=frame["id"], context="repl")
        client.expect("response", "evaluate")
        client.request("continue", threadId=thread)
        client.expect("event", "terminated")
        client.close()
        rest, _ = process.communicate(timeout=SECONDS)
    assert rest == b"after it 42 ['/app/debugged.py', 'an argument'] /app __main__\n"
    assert process.returncode == 4
    assert engine.cli("ps", "--all", "--quiet", "--filter", "label=buildr.name=debugged") == ""
