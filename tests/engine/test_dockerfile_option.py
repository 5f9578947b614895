"""``dockerfile=``: the user's own Containerfile, built unchanged in place, with the guest part on top."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import Site, inspect, site, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

SURROUNDINGS = """\
import helper
print(json.dumps({
    "argv": sys.argv,
    "cwd": os.getcwd(),
    "user": [os.getuid(), os.getgid()],
    "home": os.environ["HOME"],
    "path": os.environ["PYTHONPATH"],
    "shell": helper.shell,
    "of the image": [os.environ["TERM"], os.environ["container"]],
    "files": sorted(os.path.join(d, f) for d, _, fs in os.walk("/srv") for f in fs),
    "markers": [os.environ["BUILDR_IN_CONTAINER"], os.environ["METAPARTICLE_IN_CONTAINER"]],
    "extra": [os.stat("/etc/extra.json").st_uid, oct(os.stat("/etc/extra.json").st_mode)],
}))
"""

WHOLE = """\
# escape=`
ARG BASE={base}
ARG OTHER=nothing
FROM ${{BASE}} AS tools
RUN echo 'made in a stage' > /made

FROM ${{OTHER:+$BASE}} AS last
SHELL ["/usr/bin/env", "SHELL_OF_THE_BUILD=own", "/bin/sh", "-c"]
RUN echo "shell = '$SHELL_OF_THE_BUILD'" > /tmp/helper
RUN echo "own:x:4321:4322::/srv/home:/bin/sh" >> /etc/passwd `
    && mkdir -p /srv/home /srv/lib && mv /tmp/helper /srv/lib/helper.py
ENV PYTHONPATH=/srv/lib TERM=own container=own
WORKDIR /srv/own
COPY --from=tools /made .
COPY . .
LABEL own.label="$PYTHONPATH is kept"
EXPOSE 8080
STOPSIGNAL SIGINT
HEALTHCHECK --interval=90s CMD ["true"]
USER own
ENTRYPOINT ["python", "-u"]
CMD ["app.py", "of the image"]
"""


@pytest.fixture
def own(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


def test_the_containerfile_is_built_unchanged(own: Site) -> None:
    own.write(
        {
            "docker/own.Dockerfile": WHOLE.format(base=own.engine.base_image),
            "docker/own.Dockerfile.dockerignore": "docker\n*.secret\n",
            ".dockerignore": "data\n*.py\n",  # has other patterns than the per-Containerfile file
            "data/kept": "",
            "left.secret": "",
            "extra.json": "{}",
        }
    )
    own.script(
        SURROUNDINGS,
        imports="import json, os, sys",
        package={
            "dockerfile": "docker/own.Dockerfile",
            "additional_files": [{"src": "extra.json", "dest": "/etc/", "mode": "0440"}],
        },
    )
    before = snapshot(own.directory)
    done = own.run("app.py", "a b", "$c")
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == {
        "argv": ["app.py", "of the image", "a b", "$c"],
        "cwd": "/srv/own",
        "user": [4321, 4322],
        "home": "/srv/home",
        "path": "/srv/lib:/usr/local/lib/buildr",
        "shell": "own",
        "of the image": ["own", "own"],
        "files": [
            "/srv/lib/helper.py",
            *(f"/srv/own/{name}" for name in ("app.py", "data/kept", "extra.json", "made")),
        ],
        "markers": ["true", "true"],
        "extra": [4321, "0o100440"],
    }
    image = inspect(own.engine, own.reference)
    found = image["Config"]
    assert found["Entrypoint"][-2:] == ["python", "-u"]
    assert found["Cmd"] == ["app.py", "of the image"]
    assert found["User"] == "own"
    assert found["Labels"]["own.label"] == "/srv/lib is kept"
    assert found["ExposedPorts"] == {"8080/tcp": {}}
    assert found["StopSignal"] == "SIGINT"
    health = found.get("Healthcheck") or image.get("Healthcheck")  # Docker, Podman
    assert health == {"Test": ["CMD", "true"], "Interval": 90_000_000_000}
    assert snapshot(own.directory) == before

    images = own.images()
    again = own.run("app.py", "--more")
    assert json.loads(again.stdout)["argv"] == ["app.py", "of the image", "--more"]
    assert own.images() == images
    assert not again.stderr


@pytest.mark.parametrize(
    ("copy", "script", "found"),
    [
        ("WORKDIR /code\nCOPY src/ ./", "src/app.py", "['app.py', '1'] /code"),
        ("COPY . /app", "src/app.py", "['src/app.py', '1'] /"),
    ],
)
def test_an_image_without_a_command_runs_the_script(
    own: Site, copy: str, script: str, found: str
) -> None:
    # A file that makes the directory above the script a project root.
    own.write({"Dockerfile": f"FROM {own.engine.base_image}\n{copy}\n", "setup.cfg": ""})
    own.script(
        "print([os.path.relpath(sys.argv[0], place), *sys.argv[1:]], os.getcwd())",
        imports="import os, sys\nplace = '/app' if os.getcwd() == '/' else os.getcwd()",
        package={"dockerfile": "Dockerfile"},
        path=script,
    )
    done = own.run(script, "1")
    assert (done.returncode, done.stdout.decode()) == (0, f"{found}\n"), done.stderr.decode()


def test_the_containerfile_may_be_outside_the_context_and_run_as_root(own: Site) -> None:
    outside = own.directory.parent / "elsewhere"
    outside.mkdir()
    (outside / "Own").write_text(f"FROM {own.engine.base_image}\nUSER 4321\nCOPY . /app\n")
    own.script(
        "print(os.getuid(), sorted(os.listdir('/app')), os.access('/app/app.py', os.R_OK))",
        imports="import os",
        package={"dockerfile": "../elsewhere/Own", "user": "root"},
    )
    before = snapshot(own.directory.parent)
    done = own.run()
    assert done.stdout.decode() == "0 ['app.py'] True\n", done.stderr.decode()
    assert snapshot(own.directory.parent) == before


def test_a_local_base_image_is_found_by_its_short_name(own: Site) -> None:
    own.engine.cli("tag", own.engine.base_image, f"{own.name}:1")
    try:
        own.write({"Dockerfile": f"ARG NAME={own.name}\nFROM ${{NAME}}:1\nCOPY . /app\n"})
        own.script("print('ran')", package={"dockerfile": "Dockerfile"})
        done = own.run()
        assert (done.returncode, done.stdout) == (0, b"ran\n"), done.stderr.decode()
    finally:
        own.engine.cli("rmi", f"{own.name}:1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM {base}\nRUUN true\n", r"error: the .*(?i:unknown instruction).*RUUN"),
        (
            "FROM {base}\nRUN echo said; exit 7\n",
            r"error: the build failed in `RUN echo said; exit 7`",
        ),
        ("FROM {base}\nCOPY absent /\n", r"error: the build failed in `COPY absent /`: .*absent"),
        ("FROM 127.0.0.1:9/none:1\n", r"error: the image 127\.0\.0\.1:9/none:1 cannot be pulled"),
        (
            "FROM {base}\n",
            r"error: the image of .*/Dockerfile names no command, and app\.py is not in it",
        ),
    ],
)
def test_errors_in_the_containerfile_are_reported(own: Site, text: str, message: str) -> None:
    own.write({"Dockerfile": text.format(base=own.engine.base_image)})
    own.script(package={"dockerfile": "Dockerfile"})
    done = own.run()
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (125, b"")
    assert re.match(rf"buildr: {message}", said), said
    assert "Traceback" not in said
    assert own.images() == []
