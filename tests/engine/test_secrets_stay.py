"""None of hundreds of kinds of secrets arrives in an image, nor do the files that options name as secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.canaries import HARMLESS, SECRET
from tests.engine.images import site as make_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine
    from tests.engine.images import Site

DEPENDENCIES = ("poetry.lock", "requirements.txt")  # they would be installed
BODY = """\
found = [os.path.join(top, name) for top, _, names in os.walk("/app") for name in names]
json.dump(sorted(os.path.relpath(path, "/app") for path in found), sys.stdout)
"""


@pytest.fixture
def site(engine: Engine) -> Iterator[Site]:
    yield from make_site(engine)


def test_secrets_do_not_arrive(site: Site) -> None:
    site.write(SECRET)
    site.write({".git/config": "x", ".dockerignore": "*.log\n"})
    site.script(BODY, imports="import json, os, sys")
    done = site.run()
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == [".dockerignore", "app.py"]
    said = done.stderr.decode()
    assert "left out, since they look like a secret: " in said
    assert "left out, since it is the history of a version control system: .git" in said


def test_files_that_only_look_like_secrets_arrive(site: Site) -> None:
    harmless = {name: text for name, text in HARMLESS.items() if name not in DEPENDENCIES}
    site.write(harmless)
    site.script(BODY, imports="import json, os, sys")
    done = site.run()
    assert done.returncode == 0, done.stderr.decode()
    assert set(json.loads(done.stdout)) == set(harmless)
    assert "like a secret" not in done.stderr.decode()


def test_secret_files_of_options_do_not_arrive(site: Site) -> None:
    value = "c0rrect-horse-battery"
    site.write({"plain": value, "variables": "MODE=x\n", "requirements.txt": ""})
    site.script(
        BODY,
        imports="import json, os, sys",
        package={"secrets": ["id=x,src=plain"]},
        runtime={"env_file": "variables"},
    )
    done = site.run()
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == ["app.py", "requirements.txt"]
    site.write({"notes": f"it is {value}\n"})
    done = site.run()
    assert done.returncode == 125
    assert b"notes has the value of the secret x in it" in done.stderr
    assert value.encode() not in done.stderr


def test_an_error_of_a_called_function_comes_back_without_the_secrets_of_its_guest(
    site: Site,
) -> None:
    value = "c0rrect-horse-battery"
    site.write(
        {
            "app.py": f"""\
import os
from buildr import Containerize

@Containerize(package={{"name": {site.name!r}}}, runtime={{"env": {{"DB_PASS": None, "HOME_PAGE": "https://{value}@h/"}}}})
def fail():
    raise RuntimeError("no login", os.environ["DB_PASS"], os.environ["HOME_PAGE"], repr(dict(os.environ)))

fail.remote()
"""
        }
    )
    done = site.run(env={"DB_PASS": value})
    assert done.returncode == 1, done.stderr.decode()
    said = done.stderr.decode()
    assert "RuntimeError: ('no login', '****', 'https://****@h/'" in said
    assert value not in said
