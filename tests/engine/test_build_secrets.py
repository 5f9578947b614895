"""Build secrets are available while dependencies are installed, and leave no trace in layers, history or logs."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import SAVE, Site, site
from tests.engine.package_index import CA, Index, serving, wheel
from tests.engine.test_dependencies import BACKEND, PROJECT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

# A hostile package, which writes secrets into the files that it installs.
LEAKY = BACKEND.replace(
    '        file.writestr(f"{info}/RECORD", "")\n',
    '        file.writestr(f"{info}/RECORD", "")\n'
    '        file.writestr("other_words.txt", "xx" + os.environ["TOKEN"] + "yy")\n',
)


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    # The password has characters that URLs escape; the tests look for both spellings.
    canary = f"c4nary-{secrets.token_hex(8)}"
    with serving(Index("reader", canary, {"private-thing": wheel("private_thing")})) as index:
        yield index


def everything_kept(project: Site) -> bytes:
    """Return what the engine stores of a project: the image with all its layers, and the histories of all images."""
    saved = project.engine.python("-c", SAVE, project.reference, cwd=project.directory)
    assert saved.returncode == 0, saved.stderr.decode()
    # Layers are uncompressed archives in an archive, so that file contents are searchable.
    assert b"ustar" in saved.stdout
    assert b"private_thing" in saved.stdout
    found = saved.stdout
    for image in project.images(prepared=True):
        history = project.engine.cli("history", "--no-trunc", image)
        found += history.encode() + project.engine.cli("image", "inspect", image).encode()
    return found


def check_no_trace(project: Site, canary: str, *runs: subprocess.CompletedProcess[bytes]) -> bytes:
    said = b"".join(run.stdout + run.stderr for run in runs)
    assert canary.encode() not in said
    kept = everything_kept(project)
    assert canary.encode() not in kept
    return kept


def test_the_login_to_a_package_index_leaves_no_trace(project: Site, index: Index) -> None:
    index.asked.clear()
    conf = f"[global]\nindex-url = https://reader:{index.password}@{index.place}\n"
    project.write(
        {
            "../pip.conf": conf,
            "../ca.pem": CA.read_text(),
            "requirements.txt": "private-thing==1.0\n",
        }
    )
    package = {
        "verbose": True,
        "secrets": ["id=pip.conf,src=../pip.conf", {"id": "cert", "src": "../ca.pem"}],
    }
    project.script("import private_thing\nprint(private_thing.VERSION)", package=package)
    first = project.run()
    assert (first.returncode, first.stdout) == (0, b"1.0\n"), first.stderr.decode()
    assert b"Successfully installed private-thing-1.0" in first.stderr
    assert f"https://reader:****@{index.place}" in first.stderr.decode()
    assert index.asked == ["/simple/private-thing/", "/files/private_thing-1.0-py3-none-any.whl"]

    project.script("import private_thing\nprint('changed')", package=package)
    second = project.run()
    assert (second.returncode, second.stdout) == (0, b"changed\n"), second.stderr.decode()
    assert len(index.asked) == 2  # a change of the source reinstalls nothing
    check_no_trace(project, index.password, first, second)


def test_pip_settings_of_the_host_apply_and_do_not_reach_the_image(
    project: Site, index: Index
) -> None:
    netrc = f"machine host.containers.internal login reader password {index.password}\n"
    project.write(
        {"../netrc": netrc, "../ca.pem": CA.read_text(), "requirements.txt": "private-thing\n"}
    )
    project.script("import private_thing\nprint(private_thing.VERSION)")
    home = str(project.directory.parent)
    done = project.run(
        *("-m", "buildr", "run", "--secret", "pip", "--name", project.name, "--verbose", "app.py"),
        env={
            "NETRC": f"{home}/netrc",
            "PIP_INDEX_URL": f"https://{index.place}",
            "PIP_CERT": f"{home}/ca.pem",
        },
    )
    assert (done.returncode, done.stdout) == (0, b"1.0\n"), done.stderr.decode()
    kept = check_no_trace(project, index.password, done)
    assert CA.read_bytes().splitlines()[1] not in kept


def test_a_variable_in_the_requirements_is_expanded(project: Site, index: Index) -> None:
    requirements = f"--index-url https://reader:${{TOKEN}}@{index.place}\nprivate-thing\n"
    project.write({"../ca.pem": CA.read_text(), "requirements.txt": requirements})
    secrets = ["id=TOKEN,env=INDEX_PASSWORD", "id=cert,src=../ca.pem"]
    project.script(
        "import os, private_thing\nprint(os.environ.get('TOKEN'))",
        package={"secrets": secrets, "verbose": True},
    )
    done = project.run(env={"INDEX_PASSWORD": index.password})
    assert (done.returncode, done.stdout) == (0, b"None\n"), done.stderr.decode()
    check_no_trace(project, index.password, done)


def test_a_wrong_login_is_reported_without_the_password(project: Site, index: Index) -> None:
    conf = f"[global]\nindex-url = https://reader:not-{index.password}@{index.place}\n"
    project.write(
        {"../pip.conf": conf, "../ca.pem": CA.read_text(), "requirements.txt": "private-thing\n"}
    )
    secrets = ["id=pip.conf,src=../pip.conf", "id=cert,src=../ca.pem"]
    project.script(package={"secrets": secrets})
    done = project.run()
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (125, b""), said
    assert "buildr: error: dependencies cannot be installed: " in said
    assert "No matching distribution found for private-thing" in said
    assert index.password not in said
    assert project.images() == []


def test_a_package_that_stores_a_secret_is_refused(project: Site) -> None:
    token = f"c4nary-{secrets.token_hex(8)}"
    project.write(
        {
            "requirements.txt": "./libs/other\n",
            "libs/other/backend.py": LEAKY,
            "libs/other/pyproject.toml": PROJECT,
            "libs/other/other.py": "",
        }
    )
    project.script(package={"secrets": ["id=TOKEN"]})
    done = project.run(env={"TOKEN": token})
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (125, b""), said
    assert "wrote the secret 'TOKEN' into /usr/" in said
    assert "other_words.txt" in said
    assert token not in said
    assert project.images() == []


def test_an_installation_with_secrets_has_the_same_result_as_one_without(project: Site) -> None:
    project.write(
        {
            # An older pip replaces that of the base, so that files are removed, added and changed.
            "requirements.txt": "-e .\n./libs/other\npip==22.3.1\n",
            "backend.py": BACKEND,
            "pyproject.toml": PROJECT,
            "src/main_package.py": "where = __file__\n",
            "libs/other/backend.py": BACKEND,
            "libs/other/pyproject.toml": PROJECT,
            "libs/other/other.py": "where = __file__\n",
        }
    )
    body = """\
from importlib.metadata import distributions
import main_package, other, stat
for found in sorted(distributions(), key=lambda found: found.metadata["Name"].lower()):
    print(found.metadata["Name"], found.version)
for top in ("/usr/local", "/app"):
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = os.path.join(folder, name)
            now = os.lstat(path)
            print(path, stat.filemode(now.st_mode), now.st_uid, now.st_gid, os.path.islink(path) or now.st_size)
"""
    project.script(body, imports="import os", package={"secrets": []})
    plain = project.run()
    assert plain.returncode == 0, plain.stderr.decode()
    project.script(body, imports="import os", package={"secrets": ["id=TOKEN"]})
    with_secret = project.run(env={"TOKEN": "not-asked-for"})
    assert with_secret.returncode == 0, with_secret.stderr.decode()
    assert "pip 22.3.1" in plain.stdout.decode().splitlines()
    # The requirements files stay in an image only if a step of its build has read them.
    apart = ("/app/app.py", "/usr/local/share/buildr")
    kept, found = (
        [line for line in run.stdout.decode().splitlines() if not line.startswith(apart)]
        for run in (plain, with_secret)
    )
    assert found == kept
