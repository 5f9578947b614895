"""Values of secrets: read when they are needed, hidden in all that is shown."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from buildr.dependencies import pip_config
from buildr.dependencies.pip_config import settings
from buildr.errors import OptionError
from buildr.installer.secrets import Secrets, read_secrets
from buildr.options import BuildSecret

if TYPE_CHECKING:
    from pathlib import Path


PYTHON = sys.executable


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from os import environ

    for name in list(environ):
        if name.startswith("PIP_") or name in {
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "SSL_CERT_FILE",
        }:
            monkeypatch.delenv(name)
    # This machine's own files must not matter here, and pip cannot be kept from them.
    monkeypatch.setattr("sys.executable", without_pip(tmp_path))
    monkeypatch.setattr(pip_config, "_SYSTEM_FILE", str(tmp_path / "etc/pip.conf"))
    monkeypatch.setattr("sys.prefix", str(tmp_path / "venv"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    for name in ("XDG_CONFIG_HOME", "NETRC"):
        monkeypatch.delenv(name, raising=False)


def read(*secrets: BuildSecret, context: Path | str = "/") -> Secrets:
    return read_secrets(secrets, str(context))


def test_a_variable_keeps_its_value_under_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_TOKEN", "s3cret-token")
    found = read(BuildSecret("TOKEN", env="CI_TOKEN"))
    assert found.variables == {"TOKEN": "s3cret-token"}
    assert found.hide("with s3cret-token in it") == "with **** in it"


def test_a_missing_variable_is_an_error() -> None:
    with pytest.raises(OptionError, match="TOKEN is the variable NO_SUCH, which is not set"):
        read(BuildSecret("TOKEN", env="NO_SUCH"))


def test_paths_are_relative_to_the_context_or_home(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\xff")
    found = read(BuildSecret("x", src="a"), BuildSecret("y", src="~/a"), context=tmp_path)
    assert found.files == {"x": "one\udcff", "y": "one\udcff"}


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=r"package.secrets: x is the file .*/none, which cannot be read"
    ):
        read(BuildSecret("x", src="none"), context=tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "hidden"),
    [
        (
            "pip.conf",
            "[global]\nindex-url = https://me:p%40ssword@index/simple\n",
            ["p%40ssword", "p@ssword"],
        ),
        (
            "netrc",
            'machine a login b password hunter2\nmachine c password "with blank"',
            ["with blank", "hunter2"],
        ),
        (
            "key",
            "-----BEGIN KEY-----\nMIIabcdefghijklmnop\nMIIqrstuvwxyzabcdef\n",
            ["MIIabcdefghijklmnop", "MIIqrstuvwxyzabcdef"],
        ),
        ("token", "  hunter22\n", ["hunter22"]),
        ("token", "abc", []),
        ("cert", "-----BEGIN CERTIFICATE-----\nMIIabcdefghijklmnop\n", []),
        ("pip.conf", "[global]\nindex-url = https://t0ken@index/simple\n", ["t0ken"]),
        ("url", "https://t0ken:@index/simple", ["t0ken"]),
        ("url", "https://t0ken:x-oauth-basic@index/simple", ["t0ken"]),
        ("two", "hunter2\nswordfish\n", ["hunter2", "swordfish"]),
        ("ini", "[x]\nuser = me\npassword = hunter2\ntimeout_seconds = 3000\n", ["hunter2"]),
        ("env", "# mine\nexport DB_PASS='hunter2'\nDEBUG=true\n", ["hunter2"]),
        (
            "json",
            '{"user": "me", "url": "https://index", "password": "hun\\"ter2", "nested": [{"apiKey": "t0ken"}]}',
            ['hun"ter2', 'hun\\"ter2', "t0ken"],
        ),
        (
            "account",
            '{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\nMIIabcdefghijklmnop\\n"}',
            ["MIIabcdefghijklmnop"],
        ),
    ],
)
def test_distinctive_words_of_a_secret_file_are_hidden(
    tmp_path: Path, name: str, text: str, hidden: list[str]
) -> None:
    (tmp_path / "a").write_text(text)
    found = read(BuildSecret(name, src="a"), context=tmp_path)
    assert sorted(found.hidden) == sorted(hidden)


def test_common_words_are_hidden_but_not_searched_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hunter2\nMIIabcdefghijklmnop\npassword = swordfish\n")
    found = read(BuildSecret("x", src="a"), context=tmp_path)
    assert sorted(found.hidden) == ["MIIabcdefghijklmnop", "hunter2", "swordfish"]
    assert found.sought == {"MIIabcdefghijklmnop": "x", "swordfish": "x"}


def test_every_line_of_a_value_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "first-line\nsecond-line\n")
    found = read(BuildSecret("TOKEN", env="TOKEN"))
    assert found.hide("a first-line\nb second-line") == "a ****\nb ****"


def test_the_repr_does_not_show_the_value(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hunter22")
    assert repr(read(BuildSecret("x", src="a"), context=tmp_path)) == "Secrets(x)"


def test_ids_known_to_pip_set_its_variable(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    found = read(BuildSecret("pip.conf", src="a"), BuildSecret("other", src="a"), context=tmp_path)
    assert found.meanings == {"pip.conf": "PIP_CONFIG_FILE"}


# How pip is configured on this host ----------------------------------------------------------------------------


def pip_install_is_told(environ: dict[str, str]) -> object:
    """Ask the installed pip where its command `install` looks for packages."""
    program = (
        "from pip._internal.commands import create_command\n"
        "told = create_command('install').parse_args(['x'])[0]\n"
        "print([told.index_url, *told.extra_index_urls])"
    )
    done = subprocess.run(
        [PYTHON, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    return ast.literal_eval(done.stdout)


@pytest.mark.parametrize("pip", ["asked", "absent"])
@pytest.mark.parametrize(
    ("system", "user", "variables"),
    [
        # A section for the command goes before one for all of them, whichever file it is in.
        ("[install]\nindex-url = https://a\n", "[global]\nindex-url = https://b\n", {}),
        ("[global]\nindex-url = https://a\n", "[install]\nindex-url = https://b\n", {}),
        ("[global]\nindex-url = https://a\n", "[global]\nindex-url = https://b\n", {}),
        ("[global]\nindex_url = https://a\n", "[install]\npypi-url = https://b\n", {}),
        ("[install]\nindex-url = https://a\n", "", {"PIP_INDEX_URL": "https://v"}),
        ("[install]\nindex-url = https://a\n", "", {"PIP_INDEX_URL": ""}),
        ("[download]\nindex-url = https://a\n", "[global]\nindex-url = https://b\n", {}),
        ("", "[install]\nindex-url = https://a\n[global]\nextra-index-url = https://e\n", {}),
    ],
)
def test_configuration_files_are_merged_like_in_pip(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    user: str,
    variables: dict[str, str],
    pip: str,
) -> None:
    for folder, text in (("etc/pip", system), (".config/pip", user)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "pip.conf").write_text(text)
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "etc"), **variables}
    if pip == "asked":
        monkeypatch.setattr("sys.executable", PYTHON)

    reported, _ = settings(environ)

    indexes = [reported["PIP_INDEX_URL"], *reported.get("PIP_EXTRA_INDEX_URL", "").split()]
    assert indexes == pip_install_is_told(environ)


def test_an_invalid_configuration_is_reported_with_pip_s_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", PYTHON)
    (tmp_path / "named").write_text("index-url = https://me:s3cret@index\n")
    with pytest.raises(OptionError, match=r"cannot read its configuration.*no section") as refused:
        settings({"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "named")})
    assert "s3cret" not in str(refused.value)


def without_pip(folder: Path) -> str:
    """Return an interpreter without pip, as in the environments that uv makes."""
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec {PYTHON} -S "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_only_index_settings_are_used(tmp_path: Path) -> None:
    conf = tmp_path / ".config/pip/pip.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(
        "[global]\nindex-url = https://index/simple\ntarget = /somewhere\nlog = /var/log/pip\n"
        "[install]\nextra-index-url =\n    https://one\n    https://two\nno_binary = :all:\n"
        "[list]\nformat = columns\n"
    )
    variables, files = settings()
    assert variables == {
        "PIP_INDEX_URL": "https://index/simple",
        "PIP_EXTRA_INDEX_URL": "https://one https://two",
    }
    assert files == {}


def test_a_variable_precedes_a_file_and_a_named_file_replaces_the_user_s(tmp_path: Path) -> None:
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip/pip.conf").write_text(
        "[global]\nindex-url=https://user\ntimeout=1\nproxy=p\n"
    )
    (tmp_path / "named").write_text("[global]\nindex-url=https://named\ntimeout=2\n")
    variables, _ = settings(
        {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "named"), "PIP_TIMEOUT": "3"}
    )
    assert variables == {"PIP_INDEX_URL": "https://named", "PIP_TIMEOUT": "3"}


def test_a_missing_named_file_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip/pip.conf").write_text("[global]\nindex-url=https://user\n")
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "gone")}
    assert settings(environ, ask=False) == ({"PIP_INDEX_URL": "https://user"}, {})


def test_no_file_is_read_if_pip_reads_none(tmp_path: Path) -> None:
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip/pip.conf").write_text("[global]\nindex-url=https://user\n")
    assert settings({"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}) == ({}, {})


def test_a_local_folder_of_wheels_is_ignored(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PIP_FIND_LINKS": "/opt/wheels https://wheels"}
    assert settings(environ)[0] == {"PIP_FIND_LINKS": "https://wheels"}


def test_netrc_logins_are_used_for_index_hosts_only(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(
        "machine index login me password p@ss/word\nmachine elsewhere login me password other\n"
        "default login anyone password anything\n"
    )
    environ = {
        "HOME": str(tmp_path),
        "PIP_INDEX_URL": "https://index:8443/simple",
        "PIP_EXTRA_INDEX_URL": "https://you:own@index/x https://stranger/x",
    }
    assert settings(environ)[0] == {
        "PIP_INDEX_URL": "https://me:p%40ss%2Fword@index:8443/simple",
        "PIP_EXTRA_INDEX_URL": "https://you:own@index/x https://stranger/x",
    }


@pytest.mark.parametrize(
    "name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "PIP_CERT"]
)
def test_certificates_are_found_like_in_pip(tmp_path: Path, name: str) -> None:
    assert settings({"HOME": str(tmp_path), name: "/ca.pem"})[1] == {"PIP_CERT": "/ca.pem"}


def test_only_passwords_of_the_host_s_settings_are_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIabcdefghijklmnop\n")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:s3cret@index/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.example.org")
    found = read(BuildSecret("pip"))
    assert found.hidden == {"s3cret": "pip"}
    assert found.meanings == {"PIP_CERT": "PIP_CERT"}


def test_named_secrets_precede_settings_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "host.pem").write_text("host")
    (tmp_path / "own.pem").write_text("own")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "host.pem"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://host")
    monkeypatch.setenv("OWN", "https://own")
    found = read(
        BuildSecret("cert", src="own.pem"),
        BuildSecret("PIP_INDEX_URL", env="OWN"),
        BuildSecret("pip"),
        context=tmp_path,
    )
    assert found.variables["PIP_INDEX_URL"] == "https://own"
    assert found.files == {"cert": "own"}
    assert found.meanings == {"cert": "PIP_CERT"}
