"""The generated Containerfile: what users give never becomes an instruction, and hadolint finds nothing."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from buildr.engines.records import Image
from buildr.layout import ENTRYPOINT, GUEST_ROOT
from buildr.plan import containerfile
from buildr.plan.containerfile import CopiedFile, Recipe, identity, render, render_ground
from buildr.plan.stages import render_dependencies, render_marker_stage, render_system_packages

HADOLINT = Path(sys.executable).parent / "hadolint"
DIGEST = "sha256:" + "0123456789abcdef" * 4
PLAIN = Recipe(
    project="0123456789abcdef",
    base_image="docker.io/library/python:3.12-alpine",
    command=("python", "-u", "/app/app.py"),
)
HOSTILE = (
    "",
    " ",
    "a b",
    "-x",
    "$HOME",
    "${HOME:-x}",
    "$(id)",
    "`id`",
    '"',
    "'",
    "\\",
    "\\n",
    "\n",
    "\nRUN touch /pwned",
    "\r\nUSER root",
    "]",
    '"]\nRUN id\n["',
    "#",
    "# escape=`",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "größe ☃ 💣",
    "\u2028",
    "\x1b[31m",
    "\udcff",
    "*",
    "[a-z]",
    "<<EOF",
)


def instructions(text: str) -> list[tuple[str, str]]:
    """Read a Containerfile as an engine does: continued lines joined, comments left out."""
    found = []
    held = ""
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        held += line
        if held.endswith("\\"):
            held = held[:-1]
            continue
        word, _, rest = held.strip().partition(" ")
        found.append((word, rest.strip()))
        held = ""
    return found


def users(text: str) -> list[str]:
    return [rest for word, rest in instructions(text) if word == "USER"]


def one(text: str, word: str) -> str:
    (rest,) = (rest for found, rest in instructions(text) if found == word)
    return rest


def words(text: str) -> list[str]:
    return [word for word, _ in instructions(text)]


def copied(rest: str) -> list[str]:
    """Return the words of a COPY after the engine's expansion, in which a backslash quotes what follows."""
    given: list[str] = json.loads(rest[rest.index("[") :])
    assert not any(re.search(r"(?<!\\)(?:\\\\)*\$", word) for word in given)
    return [re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL) for word in given]


# Hostile values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", HOSTILE)
def test_a_command_survives_a_round_trip(value: str) -> None:
    command = ("python", "-u", value, f"/app/{value}")
    text = render(replace(PLAIN, command=command))
    assert tuple(json.loads(one(text, "CMD"))) == command
    assert words(text) == words(render(PLAIN))


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec=None)), min_size=1))
def test_any_command_survives_a_round_trip(command: list[str]) -> None:
    text = render(replace(PLAIN, command=tuple(command)))
    assert json.loads(one(text, "CMD")) == command
    assert words(text) == words(render(PLAIN))


@pytest.mark.parametrize("value", HOSTILE)
def test_a_destination_survives_a_round_trip(value: str) -> None:
    file = CopiedFile(source="files/0/*", destination=f"/srv/{value}")
    text = render(replace(PLAIN, files=(file,)))
    last = [rest for word, rest in instructions(text) if word == "COPY"][-1]
    assert copied(last) == [file.source, file.destination]
    assert words(text) == [*words(render(PLAIN)), "COPY"]


@pytest.mark.parametrize("value", [value for value in HOSTILE if "\n" not in value])
def test_arguments_of_pip_survive_a_round_trip(value: str) -> None:
    install = ("-r", f"/deps/{value}.txt")
    text = render(replace(PLAIN, install=install))
    run = [rest for word, rest in instructions(text) if word == "RUN"][-1]
    assert tuple(shlex.split(run)[-2:]) == install
    assert words(text).count("RUN") == words(render(PLAIN)).count("RUN") + 1


@pytest.mark.parametrize("value", HOSTILE)
def test_the_stage_on_a_user_s_image_keeps_hostile_values_too(value: str) -> None:
    image = Image(id=DIGEST, entrypoint=("run", value), command=("x",), user=value)
    file = CopiedFile(source="files/0/*", destination=f"/srv/{value}")
    text = render_marker_stage(image, "0123", ("python", value), (file,))
    assert json.loads(one(text, "ENTRYPOINT")) == [*ENTRYPOINT, "run", value]
    assert json.loads(one(text, "CMD")) == ["python", value]
    assert (
        copied([rest for word, rest in instructions(text) if word == "COPY"][-1])[1]
        == file.destination
    )
    assert words(text) == ["FROM", "LABEL", "ARG", "ENV", "COPY", "COPY", "ENTRYPOINT", "CMD"]


def test_the_first_line_prevents_parser_directives() -> None:
    """A directive counts only above everything else, comments included (Dockerfile reference)."""
    assert render(PLAIN).startswith("# Generated by Buildr ")
    assert render_marker_stage(Image(id=DIGEST), "0", ("x",)).startswith("# Generated by Buildr ")


# What is in it ----------------------------------------------------------------------------------------


def test_the_markers_and_the_guest_part_are_in_every_image() -> None:
    for text in (render(PLAIN), render_marker_stage(Image(id=DIGEST), "0", ("x",))):
        environment = one(text, "ENV")
        assert 'BUILDR_IN_CONTAINER="true"' in environment
        assert 'METAPARTICLE_IN_CONTAINER="true"' in environment
        assert GUEST_ROOT in environment
        assert tuple(json.loads(one(text, "ENTRYPOINT"))) == ENTRYPOINT
        assert f'COPY ["guest/", "{GUEST_ROOT}/"]' in text


def test_it_runs_as_an_ordinary_user_of_group_0() -> None:
    text = render(PLAIN)
    assert users(text) == ["0:0", "1000:0"]
    assert 'HOME="/home/app"' in text
    assert "chown 1000:0 /app /home/app && chmod 0775 /app /home/app" in text


@pytest.mark.parametrize(
    "text",
    [
        render(PLAIN),
        render_system_packages(Image(id=DIGEST, user="jovyan"), ("git",)),
        render_dependencies(Image(id=DIGEST, user="jovyan"), "a=b", removed=True),
    ],
)
def test_steps_run_as_root_with_any_user_of_the_base(text: str) -> None:
    found = words(text)
    assert found.index("USER") < found.index("RUN")
    assert users(text)[0] == "0:0"


def test_root_is_root_at_home() -> None:
    text = render(replace(PLAIN, user="0"))
    assert users(text) == ["0:0", "0:0"]
    assert 'HOME="/root"' in text
    assert "/etc/passwd" not in text


def test_nothing_is_installed_by_default() -> None:
    assert "pip" not in render(PLAIN)
    assert "dependencies" not in render(PLAIN)


def test_dependencies_precede_the_source() -> None:
    text = render(replace(PLAIN, install=("-r", "/deps/requirements.txt")))
    assert text.index("pip install") < text.index('"context/"')


def test_locked_packages_precede_the_source_and_packages_of_the_source_follow() -> None:
    text = render(
        replace(PLAIN, install=("-r", "/a.txt"), unhashed=("-r", "/b.txt"), local=("-r", "/c.txt"))
    )
    places = ["-r /a.txt", "-r /b.txt", '"context/"', "-r /c.txt", "USER 1000:0"]
    found = [text.index(place) for place in places]
    assert found == sorted(found)
    assert users(text) == ["0:0", "1000:0"]


def test_pip_writes_bytecode_that_does_not_depend_on_a_random_seed() -> None:
    text = render(
        replace(PLAIN, install=("a",), unhashed=("b",), debugger=("c",), local=("-r", "/c.txt"))
    )
    assert text.count("PYTHONHASHSEED=0 ") == text.count("pip install") == 4


def test_the_comment_names_the_source_of_dependencies() -> None:
    source = "the inline metadata of a\nRUN id\u2028.py"
    text = render(replace(PLAIN, install=("-r", "/a.txt"), dependencies_source=source))
    assert "# Dependencies from the inline metadata of a\\nRUN id\\u2028.py.\n" in text
    assert words(text).count("RUN") == 2


def test_packages_of_the_source_need_no_copy_of_other_dependencies() -> None:
    assert "/dependencies/" not in render(replace(PLAIN, dependencies_source="x", roots=("/app",)))


def test_system_packages_come_first() -> None:
    text = render(replace(PLAIN, system_packages=("git", "g++"), install=("-r", "/a.txt")))
    assert text.count("git g++") == 2
    assert text.index("apk add --no-cache git g++") < text.index("pip install")
    assert "apt-get install -y --no-install-recommends git g++" in text


@pytest.mark.parametrize(
    ("there", "done"),
    [
        (("apk",), ["apk add --no-cache git g++"]),
        (("apt-get",), ["apt-get update", "apt-get install -y --no-install-recommends git g++"]),
        ((), ["neither apk nor apt-get"]),
    ],
)
@pytest.mark.parametrize("status", [0, 7])
def test_the_package_manager_of_the_image_is_used(
    tmp_path: Path, there: tuple[str, ...], done: list[str], status: int
) -> None:
    text = render(replace(PLAIN, system_packages=("git", "g++")))
    (script,) = (rest for word, rest in instructions(text) if word == "RUN" and "apk" in rest)
    script = script.replace("/var/lib/apt/lists", str(tmp_path / "lists"))
    for name in there:
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@"\ncase $* in *git*) exit {status};; esac\n')
        program.chmod(0o755)
    (tmp_path / "rm").symlink_to("/bin/rm")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "packages").touch()
    ran = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, check=False
    )
    assert all(line in (ran.stdout + ran.stderr).decode() for line in done)
    assert ran.returncode == (status if there else 1)
    left = list((tmp_path / "lists").iterdir())
    assert bool(left) == ("apt-get" not in there or status != 0)


def test_import_paths_precede_the_guest_part() -> None:
    environment = one(render(replace(PLAIN, roots=("/app/src", "/app"))), "ENV")
    assert (
        f'PYTHONPATH="${{PYTHONPATH:+${{PYTHONPATH}}:}}/app/src:/app:{GUEST_ROOT}"' in environment
    )


def test_a_requirement_in_the_source_needs_the_source_first() -> None:
    text = render(replace(PLAIN, install=("-e", "/app"), source_first=True))
    assert text.index('"context/"') < text.index("pip install")
    assert text.count('"context/"') == 1


def test_additional_files_come_last() -> None:
    files = tuple(CopiedFile(source=f"files/{n}/*", destination=f"/app/{n}") for n in range(2))
    copies = [
        rest for word, rest in instructions(render(replace(PLAIN, files=files))) if word == "COPY"
    ]
    assert [copied(rest)[1] for rest in copies[-2:]] == ["/app/0", "/app/1"]


@pytest.mark.parametrize(
    ("user", "owner"),
    [("", "0:0"), ("www", "www:0"), ("1:2", "1:2"), ("a b", "0:0"), ("$U", "0:0")],
)
def test_additional_files_belong_to_the_user_of_a_user_s_image(user: str, owner: str) -> None:
    file = CopiedFile(source="files/0/*", destination="/x")
    text = render_marker_stage(Image(id=DIGEST, user=user), "0", ("x",), (file,))
    assert f"COPY --chown={owner} " in text
    assert "USER" not in words(text)


def test_a_user_s_image_can_run_as_root() -> None:
    text = render_marker_stage(Image(id=DIGEST, user="www"), "0", ("x",), user="0:0")
    assert one(text, "USER") == "0:0"


def test_the_two_parts_are_the_whole_containerfile() -> None:
    recipe = replace(PLAIN, system_packages=("git",), debugger=("debugpy",), roots=("/app/src",))
    whole = instructions(render(recipe))
    ground = instructions(render_ground(recipe))
    above = instructions(render(replace(recipe, base_image="ground", on_ground=True)))
    assert [word for word, _ in ground] == ["FROM", "USER", "ARG", "ENV", "RUN", "WORKDIR", "RUN"]
    assert above[0] == ("FROM", "ground")
    assert [*ground, *above[1:]] == whole


def test_the_same_recipe_gives_the_same_text() -> None:
    assert render(PLAIN) == render(replace(PLAIN))
    assert identity(PLAIN) == identity(replace(PLAIN))


CHANGES: list[dict[str, Any]] = [
    {"project": "fedcba9876543210"},
    {"base_image": "docker.io/library/python:3.13-alpine"},
    {"command": ("python", "-u", "/app/other.py")},
    {"user": "0"},
    {"install": ("-r", "x.txt")},
    {"unhashed": ("-r", "x.txt")},
    {"debugger": ("--target", "/x", "debugpy")},
    {"local": ("-r", "x.txt")},
    {"versions": (("PBR_VERSION", "1"),)},
    {"dependencies_source": "uv.lock"},
    {"source_first": True},
    {"mounted": True},
    {"on_ground": True},
    {"system_packages": ("git",)},
    {"roots": ("/app/src",)},
    {"files": (CopiedFile(source="files/0/*", destination="/x"),)},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_the_identity_changes_with_every_field(change: dict[str, Any]) -> None:
    assert identity(replace(PLAIN, **change)) != identity(PLAIN)


def test_every_field_has_its_change_above() -> None:
    assert sorted(name for change in CHANGES for name in change) == sorted(Recipe.__struct_fields__)


def test_the_identity_changes_with_the_template(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(PLAIN)
    monkeypatch.setattr(containerfile, "template_text", lambda: "FROM scratch")
    assert identity(PLAIN) != before


def test_the_stage_of_system_packages_passes_hadolint() -> None:
    assert lint(render_system_packages(Image(id=DIGEST), ("git", "g++"))) == ""


def test_a_missing_template_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containerfile, "__file__", str(tmp_path / "a" / "containerfile.py"))
    with pytest.raises(FileNotFoundError, match=r"Containerfile\.j2 is missing"):
        render(PLAIN)


# Hadolint ---------------------------------------------------------------------------------------------

HOSTILE_FILES = tuple(
    CopiedFile(source=f"files/{index}/*", destination=f"/srv/{value}")
    for index, value in enumerate(HOSTILE)
    if value.isprintable() and value not in ("*", "[a-z]")
)
VARIANTS = {
    "plain": PLAIN,
    "untagged": replace(PLAIN, base_image="docker.io/library/python"),
    "registry with a port, untagged": replace(PLAIN, base_image="localhost:5000/python"),
    "latest": replace(PLAIN, base_image="docker.io/library/python:latest"),
    "digest": replace(PLAIN, base_image=f"docker.io/library/python@{DIGEST}"),
    "tag and digest": replace(PLAIN, base_image=f"docker.io/library/python:3@{DIGEST}"),
    "image id": replace(PLAIN, base_image=DIGEST),
    "root": replace(PLAIN, user="0"),
    "dependencies": replace(PLAIN, install=("-r", "/deps/a b.txt")),
    "locked dependencies": replace(
        PLAIN,
        install=("--require-hashes", "-r", "/deps/locked.txt"),
        unhashed=("-r", "/deps/unhashed.txt"),
        local=("-r", "/deps/local.txt"),
        dependencies_source="uv.lock",
        roots=("/app/my src",),
    ),
    "packages of the source, as root": replace(PLAIN, user="0", local=("-r", "/deps/local.txt")),
    "system packages": replace(PLAIN, system_packages=("git", "g++", "curl=8.5.0-r0")),
    "source first": replace(PLAIN, install=("-e", "/app"), source_first=True),
    "files": replace(PLAIN, files=HOSTILE_FILES),
    "module": replace(PLAIN, command=("python", "-u", "-m", "pkg.mod")),
    "hostile command": replace(PLAIN, command=HOSTILE),
    "everything": replace(
        PLAIN,
        base_image="localhost:5000/python",
        user="0",
        install=("-r", "x"),
        unhashed=("-r", "y"),
        debugger=("--target", "/x", "debugpy>=1.8,<2"),
        local=("-r", "z"),
        source_first=True,
        system_packages=("git", "libpq-dev"),
        roots=("/app",),
        files=HOSTILE_FILES,
    ),
}


def lint(text: str) -> str:
    """Return what hadolint says, without any configuration of its own."""
    done = subprocess.run(
        [HADOLINT, "--no-color", "-"],
        input=text.encode(),
        cwd="/",
        env={"HOME": "/nonexistent"},
        capture_output=True,
        check=False,
    )
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("variant", VARIANTS)
def test_hadolint_finds_nothing(variant: str) -> None:
    assert lint(render(VARIANTS[variant])) == ""


@pytest.mark.parametrize(
    ("image", "user"),
    [
        (Image(id=DIGEST), None),
        (Image(id=DIGEST, entrypoint=("x",), user="www"), None),
        (Image(id=DIGEST), "0:0"),
    ],
)
def test_hadolint_finds_nothing_in_the_stage_on_top(image: Image, user: str | None) -> None:
    assert lint(render_marker_stage(image, "0123", ("python", "x"), HOSTILE_FILES, user=user)) == ""


@pytest.mark.parametrize("removed", [False, True])
def test_hadolint_finds_nothing_in_the_image_of_dependencies(removed: bool) -> None:
    assert lint(render_dependencies(Image(id=DIGEST), 'a="b"', removed=removed)) == ""


def test_hadolint_finds_faults() -> None:
    assert "DL3006" in lint("FROM python\n")
