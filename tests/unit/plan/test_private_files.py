"""Files that options name for secrets are never sent; additional files obey the rules that the context does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildr.options import package_options
from buildr.plan.entry import Entry
from buildr.plan.project import plan
from buildr.plan.sources import read_sources
from buildr.plan.staging import notes
from tests.unit.planning import one_script

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.plan.sources import Sources


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = one_script(tmp_path, monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("plain", "second", "third"):
        (directory / name).write_text(name)
    return directory


def sources(project: Path, env_files: tuple[str, ...] = (), **options: Any) -> Sources:
    entry = Entry(kind="script", script=str(project / "app.py"))
    return read_sources(plan(entry, package_options(options), env_files=env_files))


def sent(found: Sources) -> set[str]:
    return {entry.path for entry in found.tree.scan.entries}


@pytest.mark.parametrize(
    "options",
    [
        {"secrets": ["id=pip.conf,src=plain"]},
        {"secrets": ["id=netrc,src=plain"]},
        {"secrets": ["id=cert,src=plain"]},
        {"secrets": [{"id": "x", "src": "./plain"}]},
        {"env_files": ("plain",)},
    ],
)
@pytest.mark.parametrize("include_secrets", [False, True])
def test_the_file_of_an_option_is_left_out_and_named(
    project: Path, options: dict[str, Any], include_secrets: bool
) -> None:
    (project / ".containerignore").write_text("!plain\n")
    found = sources(project, include_secrets=include_secrets, **options)
    assert sent(found) == {"app.py", "second", "third", ".containerignore"}
    (note,) = notes(found, project)
    assert note.startswith(
        "left out: plain is named for secrets by an option or a variable of this host"
    )


def test_a_private_file_is_left_out_under_all_names(project: Path) -> None:
    (project / "link").symlink_to("plain")
    (project / "copy").hardlink_to(project / "plain")
    found = sources(project, secrets=["id=x,src=link"])
    assert sent(found) == {"app.py", "second", "third"}


def test_a_link_to_an_outside_private_file_is_left_out(project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    (project / "link").symlink_to(tmp_path / "elsewhere")
    assert "link" not in sent(sources(project, env_files=("link",)))


@pytest.mark.parametrize(
    "variable",
    ["PIP_CONFIG_FILE", "NETRC", "KUBECONFIG", "GOOGLE_APPLICATION_CREDENTIALS", "PGPASSFILE"],
)
def test_login_files_named_by_variables_are_left_out(
    project: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(project / "plain"))
    assert sent(sources(project)) == {"app.py", "second", "third"}


def test_files_named_by_pip_s_settings_are_left_out(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.parent / ".pip").mkdir()
    (project.parent / ".pip" / "pip.conf").write_text(
        f"[global]\ncert = {project}/plain\nclient-cert = {project}/second\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(project / "third"))
    for name in ("PIP_CERT", "PIP_CLIENT_CERT"):
        monkeypatch.delenv(name, raising=False)
    assert sent(sources(project, secrets=["pip"])) == {"app.py"}


def test_a_changed_option_changes_the_context(project: Path) -> None:
    assert "plain" not in sent(sources(project, env_files=("plain",)))
    assert "plain" in sent(sources(project))
    assert "plain" not in sent(sources(project, env_files=("plain",)))


def test_a_replaced_private_file_is_left_out_too(project: Path) -> None:
    assert "plain" not in sent(sources(project, env_files=("plain",)))
    (project / "new").write_text("other")
    (project / "new").rename(project / "plain")
    assert "plain" not in sent(sources(project, env_files=("plain",)))


# Additional files


def extra(found: Sources) -> set[str]:
    [(_, tree)] = found.extra
    return {entry.path for entry in tree.scan.entries if entry.kind != "dir"}


def test_secrets_of_an_additional_folder_are_left_out_and_named(
    project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").write_text("x")
    for name in ("data", ".env", "id_rsa", "secret"):
        (folder / name).write_text("x")
    options: dict[str, Any] = {"additional_files": [{"src": str(folder), "dest": "/srv"}]}
    found = sources(project, env_files=(str(folder / "secret"),), **options)
    assert extra(found) == {"data"}
    held, named = notes(found, project)
    assert held == (
        f"left out, since they look like a secret: {folder}/.env, {folder}/id_rsa"
        " (to send one, name the file itself in additional_files)"
    )
    assert named.startswith(f"left out: {folder}/secret is named for secrets by an option")
    assert extra(sources(project, include_secrets=True, **options)) == {
        *("data", ".env", "id_rsa", "secret"),
    }


def test_an_explicitly_named_folder_of_secrets_travels(project: Path, tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("x")
    found = sources(project, additional_files=[{"src": "~/.aws", "dest": "/root/.aws"}])
    assert extra(found) == {"credentials"}


def test_an_explicitly_named_secret_travels(project: Path) -> None:
    (project / ".env").write_text("A=1\n")
    found = sources(project, additional_files=[{"src": ".env", "dest": "/srv/.env"}])
    assert extra(found) == {".env"}
