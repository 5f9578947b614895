"""What secrets contain does not travel in any other file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildr.archive.tar import Member, Tree, pack, pack_tree
from buildr.context.lookout import Lookout
from buildr.context.scan import scan
from buildr.dependencies import pip_config
from buildr.errors import ContextError
from buildr.image.secret_values import lookout
from buildr.options import package_options
from buildr.plan.entry import Entry
from buildr.plan.project import plan
from buildr.plan.sources import read_sources
from buildr.plan.staging import parts_of
from tests.unit.planning import one_script

if TYPE_CHECKING:
    from pathlib import Path

VALUE = "c0rrect-horse-battery"
MIB = 1 << 20


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOKEN", VALUE)
    (tmp_path / "token").write_text(VALUE)
    text = f"DB_PASSWORD={VALUE}\nMODE=quick-and-dirty-1\nPIN=12\n"
    (tmp_path / "variables").write_text(text)
    return one_script(tmp_path, monkeypatch)


def send(project: Path, env_files: tuple[str, ...] = (), **options: Any) -> None:
    entry = Entry(kind="script", script=str(project / "app.py"))
    planned = plan(entry, package_options(options), env_files=env_files)
    for _ in pack(parts_of(planned, read_sources(planned)), lookout=lookout(planned)):
        pass


@pytest.mark.parametrize(
    "options",
    [
        {"secrets": ["id=TOKEN"]},
        {"secrets": ["id=x,src=../token"]},
        {"env_files": ("../variables",)},
    ],
)
def test_a_file_with_the_value_of_a_secret_is_left_out_and_named(
    project: Path, options: dict[str, Any]
) -> None:
    (project / "plain").write_text("MODE=quick-and-dirty-1 12")
    send(project, **options)
    (project / "sub").mkdir()
    (project / "sub" / "notes.py").write_text(f"# it is {VALUE}!\n")
    with pytest.raises(ContextError, match=r"sub/notes\.py has the value of the secret") as caught:
        send(project, **options)
    assert VALUE not in str(caught.value)


def test_a_common_value_is_not_searched_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "postgres")
    (project / "compose.yaml").write_text("image: postgres\n")
    send(project, secrets=["id=TOKEN"])


def test_secrets_of_pip_s_settings_are_searched_for_without_running_pip(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(pip_config, "_asked", asked)
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = https://me:{VALUE}@h/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    send(project, secrets=["pip"])
    (project / "notes").write_text(VALUE)
    with pytest.raises(ContextError, match="notes has the value of the secret"):
        send(project, secrets=["pip"])


def test_a_missing_secret_is_ignored(project: Path) -> None:
    send(project, secrets=["id=x,src=gone", "id=NOT_SET"], env_files=("gone",))


@pytest.mark.parametrize("at", [0, 1000, MIB - 5, 256 * 1024 - 3, 3 * MIB - len(VALUE)])
@pytest.mark.parametrize("whole", [False, True])
def test_a_value_is_found_anywhere_in_a_large_file(tmp_path: Path, at: int, whole: bool) -> None:
    data = bytearray(b"x" * 3 * MIB)
    data[at : at + len(VALUE)] = VALUE.encode()
    (tmp_path / "large").write_bytes(data)
    tree = Tree(entries=scan(tmp_path, rules=None).entries, root=tmp_path)
    with pytest.raises(ContextError, match="large has the value of the secret x in it"):
        for _ in (pack_tree if whole else lambda part, **more: pack([part], **more))(
            tree, lookout=Lookout({VALUE: "x"})
        ):
            pass


def test_a_generated_file_is_searched_too() -> None:
    member = Member(path="dependencies/requirements.txt", data=f"--index-url {VALUE}".encode())
    with pytest.raises(ContextError, match=r"requirements\.txt has the value"):
        list(pack([member], lookout=Lookout({VALUE: "x"})))


def test_searching_does_not_change_the_archive(tmp_path: Path) -> None:
    for name, size in (("empty", 0), ("small", 9), ("large", 2 * MIB)):
        (tmp_path / name).write_bytes(b"y" * size)
    tree = Tree(entries=scan(tmp_path, rules=None).entries, root=tmp_path)
    assert b"".join(pack([tree], lookout=Lookout({VALUE: "x"}))) == b"".join(pack([tree]))
