"""Lock files, written by their own tools, and the resulting arguments of pip.

The data in ``tests/data/dependencies`` were made by uv 0.13, Poetry 2.5, pipenv 2026.10 and pip 26.3 from the projects
beside them; only the hosts in URLs are others.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from buildr.dependencies import Dependencies, ProjectFiles, find_dependencies
from buildr.errors import DependencyError

DATA = Path(__file__).parents[2] / "data" / "dependencies"
PYTHONS = [f"3.{minor}" for minor in range(9, 16)]
URL = "mypy-extensions @ https://files.example.org/packages/2a/e2/"


def found(
    directory: Path,
    file: str | None = None,
    extras: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
) -> Dependencies:
    dependencies = find_dependencies(
        ProjectFiles(context=directory, explicit=file, extras=extras, groups=groups)
    )
    assert dependencies is not None
    return dependencies


def staged(dependencies: Dependencies, name: str = "locked.txt") -> dict[str, list[str]]:
    """Return the requirements of a staged file, each with its hashes."""
    (data,) = (file.data for file in dependencies.files if file.path == name)
    lines = data.decode().replace("\\\n", " ").splitlines()
    requirements: dict[str, list[str]] = {}
    for line in lines:
        requirement, *hashes = line.split(" --hash=")
        assert requirement.strip() not in requirements
        requirements[requirement.strip()] = [found.strip() for found in hashes]
    return requirements


def installed(dependencies: Dependencies, python: str) -> dict[str, str]:
    """Return the versions that pip would install with a Python on Linux."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "sys_platform": "linux",
        "os_name": "posix",
        "platform_system": "Linux",
    }
    versions: dict[str, str] = {}
    for line in staged(dependencies):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in versions
            versions[requirement.name] = str(requirement.specifier)
    return versions


def test_a_uv_lock_is_read() -> None:
    lock = found(DATA / "uv")
    assert lock.source == "uv.lock"
    assert lock.install == ("--no-deps", "--require-hashes", "-r", "locked.txt")
    assert (lock.unhashed, lock.local) == ((), ())
    assert not lock.needs_source
    assert (lock.requires_python, lock.python_source) == (">=3.9", "requires-python in uv.lock")
    assert lock.roots == ("src", "libs/local-lib")
    assert lock.notes == ()
    lines = staged(lock)
    assert lines["six==1.16.0"] == [
        "sha256:1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926",
        "sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",
    ]
    assert [line.rpartition("/")[2] for line in lines if line.startswith(URL)] == [
        "mypy_extensions-1.0.0-py3-none-any.whl"
    ]
    assert installed(lock, "3.9") == {
        "linkify-it-py": "==2.0.3",
        "markdown-it-py": "==3.0.0",
        "mdurl": "==0.1.2",
        "mypy-extensions": "",
        "six": "==1.16.0",
        "sortedcontainers": "==2.4.0",
        "tomli": "==2.5.0",
        "uc-micro-py": "==1.0.3",
    }
    assert installed(lock, "3.12") == {
        "linkify-it-py": "==2.2.0",
        "markdown-it-py": "==4.3.0",
        "mdurl": "==0.1.2",
        "mypy-extensions": "",
        "six": "==1.16.0",
        "sortedcontainers": "==2.4.0",
    }


@pytest.mark.parametrize("python", PYTHONS)
def test_a_uv_lock_equals_the_export_of_uv(python: str) -> None:
    lock = found(DATA / "uv", extras=("cli",), groups=("dev", "lint"))
    exported = found(DATA / "uv", "pylock.all.toml")
    assert installed(lock, python) == installed(exported, python)
    assert "pytest" in installed(lock, python)
    assert exported.roots == lock.roots
    assert exported.local == lock.local
    hashes = {line.split(" ;")[0]: sorted(found) for line, found in staged(lock).items()}
    assert hashes == {
        line.split(" ;")[0]: sorted(found) for line, found in staged(exported).items()
    }


def test_a_poetry_lock_is_read() -> None:
    lock = found(DATA / "poetry")
    assert lock.source == "poetry.lock"
    assert lock.requires_python == ">=3.9,<4"
    assert lock.roots == ("src", "libs/local-lib")
    assert lock.local == ()
    assert next(iter(staged(lock))) == "--index-url https://index.example.org/simple"


@pytest.fixture
def poetry(tmp_path: Path) -> Path:
    """The project as it would be with the usual index."""
    shutil.copytree(DATA / "poetry", tmp_path, dirs_exist_ok=True)
    lock = tmp_path / "poetry.lock"
    text, count = re.subn(r'\n\[package\.source\]\ntype = "legacy"\n.*\n.*\n', "", lock.read_text())
    assert count > 10
    lock.write_text(text)
    return tmp_path


def test_the_main_group_of_poetry_is_the_default(poetry: Path) -> None:
    lock = found(poetry)
    main = {
        "linkify-it-py": "==2.0.3",
        "markdown-it-py": "==3.0.0",
        "mdurl": "==0.1.2",
        "mypy-extensions": "",
        "six": "==1.16.0",
        "sortedcontainers": "==2.4.0",
        "uc-micro-py": "==1.0.3",
    }
    assert installed(lock, "3.12") == main
    assert installed(lock, "3.10") == {**main, "iniconfig": "==2.1.0"}


def test_groups_and_extras_of_poetry_are_added(poetry: Path) -> None:
    lock = found(poetry, extras=("cli",), groups=("dev", "lint"))
    assert {"click", "pytest", "pyflakes", "iniconfig"} <= installed(lock, "3.12").keys()
    assert "colorama" not in installed(lock, "3.12")
    assert "exceptiongroup" in installed(lock, "3.10")


def test_a_pipfile_lock_is_read() -> None:
    lock = found(DATA / "pipenv")
    assert lock.requires_python == "==3.12.*"
    assert staged(lock, "unhashed.txt") == {"colorama": []}
    assert lock.notes == ("Pipfile.lock: colorama has no version there, so the newest is taken",)
    assert lock.local == ()
    assert lock.roots == ("libs/local-lib",)
    assert installed(lock, "3.12") == {
        "linkify-it-py": "==2.2.0",
        "markdown-it-py": "==4.3.0",
        "mdurl": "==0.1.2",
        "mypy-extensions": "",
        "six": "==1.16.0",
        "sortedcontainers": "==2.4.0",
    }
    more = found(DATA / "pipenv", groups=("dev", "docs"))
    assert {"pytest", "pyflakes"} <= installed(more, "3.12").keys()


def test_a_pylock_is_read() -> None:
    lock = found(DATA / "pip")
    assert lock.source == "pylock.toml"
    assert lock.requires_python is None
    assert lock.roots == ()
    assert staged(lock, "local.txt") == {"local-lib @ file:///app/libs/local-lib": []}
    assert installed(lock, "3.12") == {
        "iniconfig": "==2.3.1",
        "mypy-extensions": "",
        "six": "==1.16.0",
        "sortedcontainers": "==2.4.0",
    }


@pytest.mark.parametrize(
    ("tool", "file"),
    [
        ("uv", "uv.lock"),
        ("uv", "pylock.all.toml"),
        ("poetry", "poetry.lock"),
        ("pipenv", "Pipfile.lock"),
    ],
)
@pytest.mark.parametrize("option", ["extras", "groups"])
def test_an_unknown_extra_or_group_is_refused_with_the_known_ones(
    tool: str, file: str, option: str
) -> None:
    with pytest.raises(DependencyError, match=rf"package\.{option}: .* has no 'nope'") as caught:
        found(DATA / tool, file, **{option: ("nope",)})
    assert caught.value.hint.startswith("accepted: ")


# Other kinds of sources -------------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HASH = "sha256:" + "ab" * 32


def uv_lock(directory: Path, *packages: str, root: str = 'editable = "."', more: str = "") -> None:
    names = [re.search(r'name = "([^"]*)"', package) for package in packages]
    edges = ", ".join(f'{{ name = "{name[1]}" }}' for name in names if name)
    (directory / "uv.lock").write_text(
        f'version = 1\nrevision = 3\nrequires-python = ">=3.9"\n{more}'
        f'[[package]]\nname = "demo"\nversion = "1"\nsource = {{ {root} }}\ndependencies = [{edges}]\n'
        + "".join(f"[[package]]\n{package}\n" for package in packages)
    )


def pylock(directory: Path, *packages: str, more: str = "") -> None:
    if not packages:
        more += "\npackages = []"
    (directory / "pylock.toml").write_text(
        f'lock-version = "1.0"\ncreated-by = "x"\n{more}\n'
        + "".join(f"[[packages]]\n{package}\n" for package in packages)
    )


def poetry_lock(directory: Path, *packages: str, version: str = "2.1", pythons: str = "*") -> None:
    (directory / "poetry.lock").write_text(
        "".join(f'[[package]]\ngroups = ["main"]\nfiles = []\n{package}\n' for package in packages)
        + f'[metadata]\nlock-version = "{version}"\npython-versions = "{pythons}"\ncontent-hash = ""\n'
    )


def pipfile_lock(directory: Path, **packages: dict[str, Any]) -> None:
    meta = {
        "pipfile-spec": 6,
        "requires": {},
        "sources": [{"name": "pypi", "url": "https://x.example.org"}],
    }
    (directory / "Pipfile.lock").write_text(json.dumps({"_meta": meta, "default": packages}))


def write_all(directory: Path, kind: str, where: dict[str, str]) -> None:
    """Write a lock with one package ``x`` from somewhere."""
    if kind == "uv":
        uv_lock(directory, f'name = "x"\nversion = "1"\nsource = {{ {where["uv"]} }}')
    elif kind == "pylock":
        pylock(directory, f'name = "x"\n{where["pylock"]}')
    elif kind == "poetry":
        poetry_lock(directory, f'name = "x"\nversion = "1"\n[package.source]\n{where["poetry"]}')
    else:
        pipfile_lock(directory, x=json.loads(where["pipenv"]))


GIT = {
    "uv": f'git = "https://git.example.org/x?subdirectory=a%20b&rev=main#{COMMIT}"',
    "pylock": f'[packages.vcs]\ntype = "git"\nurl = "https://git.example.org/x"\ncommit-id = "{COMMIT}"'
    '\nsubdirectory = "a b"',
    "poetry": f'type = "git"\nurl = "https://git.example.org/x"\nreference = "main"'
    f'\nresolved_reference = "{COMMIT}"\nsubdirectory = "a b"',
    "pipenv": f'{{"git": "https://git.example.org/x", "ref": "{COMMIT}", "subdirectory": "a b"}}',
}
SSH = {
    "uv": f'git = "ssh://git@git.example.org/me/x#{COMMIT}"',
    "pylock": f'[packages.vcs]\ntype = "git"\nurl = "git@git.example.org:me/x"\ncommit-id = "{COMMIT}"',
    "poetry": f'type = "git"\nurl = "git@git.example.org:me/x"\nresolved_reference = "{COMMIT}"',
    "pipenv": f'{{"git": "git@git.example.org:me/x", "ref": "{COMMIT}"}}',
}
FOLDER = {
    "uv": 'directory = "my libs/x"',
    "pylock": '[packages.directory]\npath = "my libs/x"',
    "poetry": 'type = "directory"\nurl = "my libs/x"',
    "pipenv": '{"path": "my libs/x"}',
}
FILE = {
    "uv": 'path = "x-1-py3-none-any.whl"',
    "pylock": f'[packages.archive]\npath = "x-1-py3-none-any.whl"\nhashes.sha256 = "{"ab" * 32}"',
    "poetry": 'type = "file"\nurl = "x-1-py3-none-any.whl"',
    "pipenv": '{"file": "x-1-py3-none-any.whl"}',
}
OUTSIDE = {
    "uv": 'editable = "../x"',
    "pylock": '[packages.directory]\npath = "../x"',
    "poetry": 'type = "directory"\nurl = "../x"',
    "pipenv": '{"path": "../x", "editable": true}',
}
KINDS = ("uv", "pylock", "poetry", "pipenv")


@pytest.mark.parametrize("kind", KINDS)
def test_a_repository_is_fetched_at_its_commit(tmp_path: Path, kind: str) -> None:
    write_all(tmp_path, kind, GIT)
    lock = found(tmp_path)
    line = f"x @ git+https://git.example.org/x@{COMMIT}#subdirectory=a%20b"
    assert staged(lock, "unhashed.txt") == {line: []}
    assert (lock.install, lock.unhashed) == ((), ("--no-deps", "-r", "unhashed.txt"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_ssh_repository_gets_a_url_for_pip(tmp_path: Path, kind: str) -> None:
    write_all(tmp_path, kind, SSH)
    line = f"x @ git+ssh://git@git.example.org/me/x@{COMMIT}"
    assert staged(found(tmp_path), "unhashed.txt") == {line: []}


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_installed_from_the_source(tmp_path: Path, kind: str) -> None:
    (tmp_path / "my libs" / "x").mkdir(parents=True)
    write_all(tmp_path, kind, FOLDER)
    lock = found(tmp_path)
    assert staged(lock, "local.txt") == {"x @ file:///app/my%20libs/x": []}
    assert (lock.install, lock.needs_source) == ((), False)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_installed_from_the_source(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x-1-py3-none-any.whl").touch()
    write_all(tmp_path, kind, FILE)
    assert staged(found(tmp_path), "local.txt") == {"x @ file:///app/x-1-py3-none-any.whl": []}


@pytest.mark.parametrize("kind", KINDS)
def test_paths_outside_the_context_are_refused(tmp_path: Path, kind: str) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (tmp_path / "x").mkdir()
    write_all(context, kind, OUTSIDE)
    with pytest.raises(DependencyError, match=r"x names '\.\./x', which is outside"):
        found(context)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_folder_is_refused(tmp_path: Path, kind: str) -> None:
    write_all(tmp_path, kind, FOLDER)
    with pytest.raises(DependencyError, match="there is no"):
        found(tmp_path)


def test_a_folder_with_a_marker_is_not_editable(
    tmp_path: Path,
) -> None:
    (tmp_path / "x").mkdir()
    pylock(
        tmp_path,
        'name = "x"\nmarker = "python_version < \'3.12\'"\ndirectory = { path = "x", editable = true }',
    )
    line = "x @ file:///app/x ; python_version < '3.12'"
    assert staged(found(tmp_path), "local.txt") == {line: []}


REGISTRY = f'name = "x"\nversion = "1"\nsource = {{ registry = "https://index.example.org/simple" }}\nwheels = [{{ url = "x", hash = "{HASH}" }}]'


def test_a_declared_index_is_passed_to_pip(tmp_path: Path) -> None:
    uv_lock(tmp_path, REGISTRY)
    assert list(staged(found(tmp_path))) == ["x==1"]

    declared = '[[tool.uv.index]]\nurl = "https://index.example.org/simple/"\n'
    (tmp_path / "pyproject.toml").write_text(declared)
    extra = "--extra-index-url https://index.example.org/simple/"
    assert list(staged(found(tmp_path))) == [extra, "x==1"]

    (tmp_path / "pyproject.toml").write_text(f"{declared}default = true\n")
    only = "--index-url https://index.example.org/simple/"
    assert list(staged(found(tmp_path))) == [only, "x==1"]

    other = '[[tool.uv.index]]\nurl = "https://other.example.org/simple"\n'
    (tmp_path / "pyproject.toml").write_text(other)
    assert list(staged(found(tmp_path))) == ["x==1"]


def test_a_password_in_an_index_url_is_noted(tmp_path: Path) -> None:
    uv_lock(tmp_path, REGISTRY)
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.uv.index]]\nurl = "https://me:opensesame@index.example.org/simple"\n'
    )
    (note,) = found(tmp_path).notes
    assert "credentials" in note
    assert "opensesame" not in note


@pytest.mark.parametrize(
    "url", ["../wheels", "https://a b", "https://a#x", "https://a\\\\", "https://a\\nb"]
)
def test_an_index_that_pip_does_not_support_is_refused(tmp_path: Path, url: str) -> None:
    text = f'name = "x"\nversion = "1"\nsource = {{ registry = "{url}" }}\nsdist = {{ hash = "{HASH}" }}'
    uv_lock(tmp_path, text)
    (tmp_path / "pyproject.toml").write_text(f'[[tool.uv.index]]\nurl = "{url}"\n')
    with pytest.raises(
        DependencyError, match=r"not a URL that pip can ask|pip in the image does not ask"
    ):
        found(tmp_path)


def test_further_indexes_of_pipenv_are_passed_to_pip(tmp_path: Path) -> None:
    pipfile_lock(tmp_path, x={"version": "==1", "hashes": [HASH], "index": "mine"})
    data = json.loads((tmp_path / "Pipfile.lock").read_text())
    data["_meta"]["sources"].append({"name": "mine", "url": "https://mine.example.org/simple"})
    (tmp_path / "Pipfile.lock").write_text(json.dumps(data))
    extra = "--extra-index-url https://mine.example.org/simple"
    assert list(staged(found(tmp_path))) == [extra, "x==1"]


def test_pypi_is_passed_to_pip_if_pipenv_has_another_first_index(tmp_path: Path) -> None:
    pipfile_lock(
        tmp_path,
        x={"version": "==1", "hashes": [HASH], "index": "mine"},
        y={"version": "==1", "hashes": [HASH], "index": "pypi"},
    )
    data = json.loads((tmp_path / "Pipfile.lock").read_text())
    data["_meta"]["sources"] = [
        {"name": "mine", "url": "https://mine.example.org/simple"},
        {"name": "pypi", "url": "https://index.example.org/simple"},
    ]
    (tmp_path / "Pipfile.lock").write_text(json.dumps(data))
    assert list(staged(found(tmp_path)))[:2] == [
        "--index-url https://mine.example.org/simple",
        "--extra-index-url https://index.example.org/simple",
    ]


PRIVATE = "https://mine.example.org/simple"


@pytest.mark.parametrize("beside", ["", "explicit = true", "default = true"])
def test_a_package_without_a_hash_comes_only_from_its_index(tmp_path: Path, beside: str) -> None:
    uv_lock(tmp_path, f'name = "x"\nversion = "1"\nsource = {{ registry = "{PRIVATE}" }}')
    (tmp_path / "pyproject.toml").write_text(
        f'[[tool.uv.index]]\nname = "mine"\nurl = "{PRIVATE}"\n{beside}\n'
    )
    if beside == "default = true":
        assert list(staged(found(tmp_path), "unhashed.txt")) == [f"--index-url {PRIVATE}", "x==1"]
        return
    with pytest.raises(DependencyError, match="x has no hash, and is meant to come from"):
        found(tmp_path)


def test_a_poetry_package_without_a_hash_comes_only_from_its_index(
    tmp_path: Path,
) -> None:
    private = f'name = "x"\nversion = "1"\n[package.source]\ntype = "legacy"\nurl = "{PRIVATE}"'
    poetry_lock(tmp_path, private)
    assert list(staged(found(tmp_path), "unhashed.txt")) == [f"--index-url {PRIVATE}", "x==1"]
    poetry_lock(tmp_path, private, 'name = "y"\nversion = "1"')
    with pytest.raises(DependencyError, match="x has no hash, and is meant to come from"):
        found(tmp_path)


def test_a_pipenv_package_of_a_private_index_without_a_hash_is_refused(tmp_path: Path) -> None:
    pipfile_lock(tmp_path, x={"version": "==1", "index": "mine"})
    data = json.loads((tmp_path / "Pipfile.lock").read_text())
    data["_meta"]["sources"].append({"name": "mine", "url": PRIVATE})
    (tmp_path / "Pipfile.lock").write_text(json.dumps(data))
    with pytest.raises(DependencyError, match="could take another package of the same name"):
        found(tmp_path)


def test_buildr_and_its_dependencies_are_left_out(tmp_path: Path) -> None:
    uv_lock(
        tmp_path,
        REGISTRY,
        'name = "buildr-oci"\nversion = "1"\nsource = { registry = "https://index.example.org/simple" }'
        '\ndependencies = [{ name = "docker" }]',
    )
    with (tmp_path / "uv.lock").open("a") as file:
        file.write(
            '[[package]]\nname = "docker"\nversion = "7"\nsource = { registry = "https://i.example.org" }\n'
        )
    lock = found(tmp_path)
    assert list(staged(lock)) == ["x==1"]
    assert "Buildr itself is left out" in lock.notes[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_without_packages_installs_nothing(tmp_path: Path, kind: str) -> None:
    {"uv": uv_lock, "pylock": pylock, "poetry": poetry_lock, "pipenv": pipfile_lock}[kind](tmp_path)  # type: ignore[operator] # each takes a directory
    lock = found(tmp_path)
    assert (lock.files, lock.install, lock.unhashed, lock.local) == ((), (), (), ())


# uv ---------------------------------------------------------------------------------------------------


def test_a_package_in_a_cycle_is_installed_once(tmp_path: Path) -> None:
    source = f'source = {{ registry = "https://index.example.org/simple" }}\nsdist = {{ hash = "{HASH}" }}'
    (tmp_path / "uv.lock").write_text(
        'version = 1\n[[package]]\nname = "demo"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "a", marker = "python_version < \'3.12\'" }, { name = "b", extra = ["e"] }]\n'
        f'[[package]]\nname = "a"\nversion = "1"\n{source}\ndependencies = [{{ name = "b" }}]\n'
        f'[[package]]\nname = "b"\nversion = "1"\n{source}\n'
        'dependencies = [{ name = "a", marker = "python_version >= \'3.13\'" }]\n'
        '[package.optional-dependencies]\ne = [{ name = "c" }]\n'
        f'[[package]]\nname = "c"\nversion = "1"\n{source}\ndependencies = [{{ name = "c" }}]\n'
    )
    lock = found(tmp_path)
    assert sorted(staged(lock)) == [
        "a==1 ; python_version < '3.12' or python_version >= '3.13'",
        "b==1",
        "c==1",
    ]


def test_conflicting_extras_are_distinguished(tmp_path: Path) -> None:
    source = f'source = {{ registry = "https://index.example.org/simple" }}\nsdist = {{ hash = "{HASH}" }}'
    (tmp_path / "uv.lock").write_text(
        'version = 1\nconflicts = [[{ package = "demo", extra = "cpu" }, { package = "demo", extra = "gpu" }]]\n'
        '[[package]]\nname = "demo"\nsource = { virtual = "." }\n[package.optional-dependencies]\n'
        'cpu = [{ name = "t", version = "1", marker = "extra == \'extra-4-demo-cpu\'" }]\n'
        'gpu = [{ name = "t", version = "2", marker = "extra == \'extra-4-demo-gpu\'" }]\n'
        f'[[package]]\nname = "t"\nversion = "1"\n{source}\n'
        f'[[package]]\nname = "t"\nversion = "2"\n{source}\n'
    )
    assert list(staged(found(tmp_path, extras=("cpu",)))) == ["t==1"]
    assert list(staged(found(tmp_path, extras=("gpu",)))) == ["t==2"]


def test_members_of_a_virtual_workspace_are_installed(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").mkdir()
    source = f'source = {{ registry = "https://index.example.org/simple" }}\nsdist = {{ hash = "{HASH}" }}'
    (tmp_path / "uv.lock").write_text(
        'version = 1\n[manifest]\nmembers = ["a", "b"]\n'
        '[[package]]\nname = "a"\nversion = "1"\nsource = { editable = "a" }\ndependencies = [{ name = "x" }]\n'
        '[[package]]\nname = "b"\nversion = "1"\nsource = { virtual = "b" }\ndependencies = [{ name = "y" }]\n'
        f'[[package]]\nname = "x"\nversion = "1"\n{source}\n[[package]]\nname = "y"\nversion = "1"\n{source}\n'
    )
    lock = found(tmp_path)
    assert sorted(staged(lock)) == ["x==1", "y==1"]
    assert list(staged(lock, "local.txt")) == ["-e file:///app/a"]


def test_a_project_without_a_package_has_no_import_path(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "pyproject.toml").write_text("[build-system]\n")
    uv_lock(tmp_path, root='virtual = "."')
    assert found(tmp_path).roots == ()
    uv_lock(tmp_path)
    assert found(tmp_path).roots == ("src",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version = 2\n", "is of version 2"),
        ("version = 1\n[[package]]\n", "does not have the form that `uv lock` gives it.*name"),
        ("version = \n", "not valid TOML"),
        (
            'version = 1\n[[package]]\nname = "d"\nsource = { editable = "." }\ndependencies = [{ name = "x" }]\n',
            "which of 0 packages is meant",
        ),
    ],
)
def test_a_broken_uv_lock_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "uv.lock").write_text(text)
    with pytest.raises(DependencyError, match=reason):
        found(tmp_path)


@pytest.mark.parametrize(
    "package",
    [
        'name = "x"\nversion = "1"\nsource = { git = "https://git.example.org/x" }',
        f'name = "x"\nversion = "1"\nsource = {{ git = "file:///x#{COMMIT}" }}',
        'name = "x"\nversion = "1"\nsource = { url = "file:///x.whl" }',
        'name = "x"\nversion = "1"\nsource = { url = "https://a/x.whl\\n--pre" }',
        'name = "x"\nversion = "1 ; y"\nsource = { registry = "https://i.example.org" }',
        'name = "x\\n"\nversion = "1"\nsource = { registry = "https://i.example.org" }',
        'name = "x"\nversion = "1"\nsource = { teleport = "y" }',
    ],
)
def test_settings_that_pip_does_not_have_are_refused(tmp_path: Path, package: str) -> None:
    uv_lock(tmp_path, package)
    with pytest.raises(DependencyError):
        found(tmp_path)


# PEP 751 ----------------------------------------------------------------------------------------------


def test_default_and_named_groups_are_installed(tmp_path: Path) -> None:
    pylock(
        tmp_path,
        'name = "a"\nversion = "1"\nmarker = "\'default\' in dependency_groups"\n'
        'wheels = [{ url = "https://f.example.org/a-1-py3-none-any.whl", hashes = { sha256 = "aa" } }]',
        'name = "b"\nversion = "1"\nmarker = "\'dev\' in dependency_groups or \'cli\' in extras"\n'
        'wheels = [{ url = "https://f.example.org/b-1-py3-none-any.whl", hashes = { md5 = "b", sha512 = "bb" } }]',
        more='extras = ["cli"]\ndependency-groups = ["dev"]\ndefault-groups = ["default"]',
    )
    assert staged(found(tmp_path)) == {"a==1": ["sha256:aa"]}
    both = {"a==1": ["sha256:aa"], "b==1": ["sha512:bb"]}
    assert staged(found(tmp_path, groups=("dev",))) == both
    assert staged(found(tmp_path, extras=("CLI",))) == both


def test_a_lock_for_other_systems_is_refused(tmp_path: Path) -> None:
    pylock(tmp_path, more="environments = [\"sys_platform == 'win32'\"]")
    with pytest.raises(DependencyError, match="other systems than the container's Linux"):
        found(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a valid lock.*lock-version"),
        ('lock-version = "2.0"\ncreated-by = "x"\npackages = []', "not a valid lock"),
        ('lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "A_b"', "not a valid lock"),
    ],
)
def test_an_invalid_pylock_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "pylock.toml").write_text(text)
    with pytest.raises(DependencyError, match=reason):
        found(tmp_path)


@pytest.mark.parametrize(
    "package",
    [
        'name = "a"\nwheels = [{ path = "a-1-py3-none-any.whl", hashes = { sha256 = "aa" } }]',
        'name = "a"\nwheels = [{ url = "https://f.example.org/a-1-py3-none-any.whl", hashes = { sha256 = "aa" } }]',
    ],
)
def test_ambiguous_packages_are_refused(tmp_path: Path, package: str) -> None:
    pylock(tmp_path, package)
    with pytest.raises(DependencyError, match=r"a is a choice of files|a has no version"):
        found(tmp_path)


def test_an_old_packaging_library_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pylock(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "packaging.pylock", None)
    with pytest.raises(DependencyError) as caught:
        found(tmp_path)
    assert "pip install 'packaging>=" in caught.value.hint


# Poetry and pipenv ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("2.0", "does not say what each package is needed for"),
        ("3.0", "reads 2.x"),
        ("x", "reads 2.x"),
    ],
)
def test_another_version_of_poetrys_lock_is_refused(
    tmp_path: Path, version: str, reason: str
) -> None:
    poetry_lock(tmp_path, version=version)
    with pytest.raises(DependencyError, match=reason):
        found(tmp_path)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("*", None),
        ("^3.9", ">=3.9,<4"),
        ("~3.9", ">=3.9,<3.10"),
        ("~3", ">=3,<4"),
        (">=3.9,<4.0", ">=3.9,<4.0"),
        (">=3.9 <4.0", ">=3.9,<4.0"),
        ("3.11.*", "==3.11.*"),
        ("3.11", "==3.11"),
        ("^3.9 || ^4", None),
    ],
)
def test_poetrys_ranges_become_those_of_pep_440(
    tmp_path: Path, written: str, asked: str | None
) -> None:
    poetry_lock(tmp_path, pythons=written)
    assert found(tmp_path).requires_python == asked


def test_a_pipfile_of_another_specification_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Pipfile.lock").write_text('{"_meta": {"pipfile-spec": 5}}')
    with pytest.raises(DependencyError, match="specification 5"):
        found(tmp_path)
    (tmp_path / "Pipfile.lock").write_text("{")
    with pytest.raises(DependencyError, match="not valid JSON"):
        found(tmp_path)


def test_a_pipfile_with_the_project_itself_makes_it_importable(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    pipfile_lock(tmp_path, demo={"path": ".", "editable": True})
    assert list(staged(found(tmp_path), "local.txt")) == ["-e file:///app"]
    (tmp_path / "pyproject.toml").write_text("[build-system]\n")
    lock = found(tmp_path)
    assert (lock.files, lock.roots) == ((), ("src",))


# Scripts ----------------------------------------------------------------------------------------------


def script(directory: Path) -> Dependencies:
    dependencies = find_dependencies(ProjectFiles(context=directory, script=Path("app.py")))
    assert dependencies is not None
    return dependencies


def test_the_lock_of_a_script_precedes_its_inline_metadata(tmp_path: Path) -> None:
    shutil.copytree(DATA / "script", tmp_path, dirs_exist_ok=True)
    lock = script(tmp_path)
    assert lock.source == "app.py.lock"
    assert lock.requires_python == ">=3.9"
    assert installed(lock, "3.9")["markdown-it-py"] == "==3.0.0"
    assert installed(lock, "3.12")["markdown-it-py"] == "==4.3.0"
    assert "tomli" in installed(lock, "3.9")
    assert installed(lock, "3.12").keys() == {"linkify-it-py", "markdown-it-py", "mdurl", "six"}

    (tmp_path / "app.py.lock").unlink()
    assert script(tmp_path).source == "the inline metadata of app.py"


def test_a_lock_beside_a_script_without_metadata_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "app.py.lock").write_text("pid 12\n")
    (tmp_path / "app.py").write_text("print()\n")
    assert find_dependencies(ProjectFiles(context=tmp_path, script=Path("app.py"))) is None


def test_uv_settings_of_inline_metadata_are_passed_to_pip_or_refused(tmp_path: Path) -> None:
    head = '# /// script\n# dependencies = ["x"]\n'
    index = '# [[tool.uv.index]]\n# url = "https://mine.example.org/simple"\n'
    (tmp_path / "app.py").write_text(f"{head}{index}# ///\n")
    data = script(tmp_path).files[0].data
    assert data == b"--extra-index-url https://mine.example.org/simple\nx\n"

    (tmp_path / "app.py").write_text(f'{head}# [tool.uv.sources]\n# X = {{ path = "x" }}\n# ///\n')
    with pytest.raises(DependencyError, match=r"tool\.uv\.sources\.X") as caught:
        script(tmp_path)
    assert caught.value.hint == "run: uv lock --script app.py"
