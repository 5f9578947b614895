"""Text with a special meaning in a Containerfile, a shell or an engine arrives unchanged."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.images import Site, inspect, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

SCRIPT_NAME = "-a 'b' \"c\" $HOME ${X:-y} \\d #e [f]* ? `g` {{ h }} größe ☃.py"
FOLDER = "with ' blanks \" and $HOME ✓"

DESTINATIONS = [
    "/opt/ blanks / begin and end ",
    '/opt/it\'s/so "called"',
    "/opt/$HOME/${HOME:-x}/$(id)/`id`",
    "/opt/back\\slash\\\\es\\",
    "/opt/#hash/--chown=5:5",
    "/opt/*/?/[a-z]",
    "/opt/[o]",
    "/opt/{{ 7 * 7 }}/%s%n",
    '/opt/"]',
    "/opt/a,b;c&d|e<f>g!h~i^j",
    "/opt/größe ☃ 💣",
    "/größe/☃/a",
    "/opt/" + 120 * "x" + "/" + 120 * "y",
]

ARGUMENTS = [
    "",
    " ",
    "a b",
    "-x",
    "--",
    "--help",
    "$HOME",
    "${HOME}",
    "`id`",
    "it's",
    '"',
    "\\",
    "line\nbreak\r\ttab",
    "größe ☃",
    "*",
    "#",
    "{{ 7 * 7 }}",
    '"]\nRUN id',
    "x" * 20_000,
]

VALUES = {
    "EMPTY": "",
    "BLANKS": "  a  b  ",
    "QUOTES": 'it\'s "so"',
    "DOLLAR": "$HOME ${HOME} $(id) `id`",
    "BACKSLASH": "\\ \\n \\",
    "EQUALS": "a=b=c",
    "HASH": "# no comment",
    "UNICODE": "größe ☃ 💣",
    "LONG": "x" * 20_000,
}

BODY = """\
print(json.dumps({
    "argv": sys.argv,
    "values": {name: os.environ.get(name) for name in sys.modules["__main__"].NAMES},
    "opt": sorted(os.path.join(d, f) for d, _, fs in [*os.walk("/opt"), *os.walk("/größe")] for f in fs),
    "cwd": os.getcwd(),
}))
"""


@pytest.fixture(scope="module")
def ran(engine: Engine) -> Iterator[tuple[Site, dict[str, Any]]]:
    """A project with hostile text in every option, and what its guest saw."""
    for made in site(engine, FOLDER):
        made.write({'file\'s "name" $X [*]': "content"})
        made.script(
            BODY,
            imports=f"import json, os, sys\nNAMES = {list(VALUES)!r}",
            package={
                "additional_files": [
                    *({"src": 'file\'s "name" $X [*]', "dest": dest} for dest in DESTINATIONS),
                    {"src": 'file\'s "name" $X [*]', "dest": "/opt/into/"},
                ]
            },
            runtime={"env": VALUES},
            path=SCRIPT_NAME,
        )
        done = made.run(f"./{SCRIPT_NAME}", *ARGUMENTS)
        assert done.returncode == 0, done.stderr.decode()
        yield made, json.loads(done.stdout)


def test_arguments_arrive_unchanged(ran: tuple[Site, dict[str, Any]]) -> None:
    assert ran[1]["argv"] == [f"/app/{SCRIPT_NAME}", *ARGUMENTS]


def test_environment_values_arrive_unchanged(ran: tuple[Site, dict[str, Any]]) -> None:
    assert ran[1]["values"] == VALUES


def test_additional_files_are_at_their_destinations(ran: tuple[Site, dict[str, Any]]) -> None:
    assert ran[1]["opt"] == sorted([*DESTINATIONS, '/opt/into/file\'s "name" $X [*]'])


def test_the_image_runs_the_right_command(ran: tuple[Site, dict[str, Any]]) -> None:
    made, _ = ran
    config = inspect(made.engine, made.reference)["Config"]
    assert config["Cmd"] == ["python", "-u", f"/app/{SCRIPT_NAME}"]
    assert config["Entrypoint"] == ["python", "-IS", "/usr/local/lib/buildr/buildr/guest/init.py"]
    assert (config["User"], config["WorkingDir"]) == ("1000:0", "/app")


def test_bytes_that_engines_cannot_represent_are_refused(ran: tuple[Site, dict[str, Any]]) -> None:
    made, _ = ran
    done = made.run(f"./{SCRIPT_NAME}", os.fsdecode(b"\xff\xfe"))
    assert done.returncode == 125
    assert done.stderr.startswith(b"buildr: error: the argument '\\udcff\\udcfe' is not UTF-8")
