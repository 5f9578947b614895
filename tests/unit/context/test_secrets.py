from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildr.context.entries import Without
from buildr.context.ignore.rules import IgnoreRules
from buildr.context.scan import scan
from buildr.context.secrets import SecretTable, describe, describe_histories
from buildr.errors import ContextError

if TYPE_CHECKING:
    from pathlib import Path

NO_RULES = IgnoreRules.parse("")

PEM_KEY = b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"
CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def write(root: Path, path: str, data: bytes = b"x") -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def travelling(root: Path, rules: IgnoreRules = NO_RULES) -> list[str]:
    return [entry.path for entry in scan(root, rules=rules).entries if entry.kind != "dir"]


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".env.local",
        ".env.production",
        ".env-staging",
        ".envrc",
        "config/.env",
        ".netrc",
        ".pypirc",
        ".git-credentials",
        ".pgpass",
        ".htpasswd",
        "deploy/id_rsa",
        "id_ed25519",
        "a.p12",
        "a.pfx",
        "a.jks",
        "a.ppk",
        "safe.kdbx",
        ".docker/config.json",
        ".kube/config",
        "service-account.json",
        "service_account_prod.json",
        "my-service-account.json",
        "client_secret_1.json",
        "application_default_credentials.json",
        "terraform.tfstate",
        ".streamlit/secrets.toml",
    ],
)
def test_a_likely_secret_is_left_out_and_named(tmp_path: Path, path: str) -> None:
    write(tmp_path, path)
    write(tmp_path, "app.py")
    found = scan(tmp_path, rules=NO_RULES)
    assert found.secrets == (path,)
    assert [entry.path for entry in found.entries if entry.kind == "file"] == ["app.py"]


@pytest.mark.parametrize(
    "path",
    [
        ".env.example",
        ".env.sample",
        ".env.template",
        ".env.dist",
        ".env.production.example",
        ".env-example",
        "env",
        "environment.py",
        ".environment",
        "id_rsa.pub",
        "docker/config.json",
        "config.json",
        "secrets.py",
        "account.json",
        ".npmrc",
        "key.py",
        "monkey",
    ],
)
def test_a_file_that_only_resembles_a_secret_travels(tmp_path: Path, path: str) -> None:
    write(tmp_path, path)
    assert travelling(tmp_path) == [path]


@pytest.mark.parametrize(
    "data",
    [
        PEM_KEY,
        b"-----BEGIN RSA PRIVATE KEY-----\n",
        b"-----BEGIN EC PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        CERTIFICATE * 100 + PEM_KEY,
        b"Bag Attributes\n    friendlyName: x\n" + PEM_KEY,
        # PKCS#8 and SEC 1 in DER, beginnings of real keys
        base64.b64decode("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ=="),
        base64.b64decode("MHcCAQEEIB7jH1fZ"),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("name", ["server.pem", "server.key"])
def test_a_private_key_is_recognized_by_its_first_bytes(
    tmp_path: Path, name: str, data: bytes
) -> None:
    write(tmp_path, name, data)
    assert scan(tmp_path, rules=NO_RULES).secrets == (name,)


@pytest.mark.parametrize(
    "data",
    [
        CERTIFICATE,
        b"-----BEGIN PUBLIC KEY-----\n",
        b"",
        b"PK\x03\x04 slides",
        # a certificate in DER
        base64.b64decode("MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBa"),
    ],
    ids=range(5),
)
@pytest.mark.parametrize("name", ["server.pem", "server.key"])
def test_a_public_certificate_travels(tmp_path: Path, name: str, data: bytes) -> None:
    write(tmp_path, name, data)
    assert travelling(tmp_path) == [name]


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (b"//registry.example.org/:_authToken=npm_abc\n", True),
        (b"registry=https://r.example.org\n_auth = abc=\n", True),
        (b"//registry.example.org/:_authToken=${NPM_TOKEN}\n", False),
        (b"# _authToken=abc\nregistry=https://r.example.org\n", False),
    ],
)
def test_a_registry_setting_is_a_secret_only_with_a_token(
    tmp_path: Path, text: bytes, held: bool
) -> None:
    write(tmp_path, ".npmrc", text)
    assert bool(scan(tmp_path, rules=NO_RULES).secrets) is held


@pytest.mark.parametrize("folder", [".ssh", ".gnupg", ".aws", ".azure", ".config/gcloud", "x/.aws"])
def test_a_folder_of_secrets_is_left_out_completely(tmp_path: Path, folder: str) -> None:
    write(tmp_path, f"{folder}/deep/config")
    write(tmp_path, f"{folder}/known")
    found = scan(tmp_path, rules=NO_RULES)
    assert found.secrets == (f"{folder}/",)
    assert not any(entry.path.startswith(folder) for entry in found.entries)


def test_links_are_left_out_by_their_own_name(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to("/etc/app.env")
    (tmp_path / ".ssh").symlink_to("/root/.ssh")
    assert scan(tmp_path, rules=NO_RULES).secrets == (".env", ".ssh")


def test_a_link_to_a_possible_key_travels_since_the_key_itself_is_checked(
    tmp_path: Path,
) -> None:
    write(tmp_path, "real.pem", PEM_KEY)
    (tmp_path / "link.pem").symlink_to("real.pem")
    found = scan(tmp_path, rules=NO_RULES)
    assert found.secrets == ("real.pem",)
    assert [entry.path for entry in found.entries] == ["link.pem"]


def test_an_option_includes_all_secrets(tmp_path: Path) -> None:
    write(tmp_path, ".env")
    write(tmp_path, ".aws/config")
    write(tmp_path, "k.pem", PEM_KEY)
    found = scan(tmp_path, rules=NO_RULES, include_secrets=True)
    assert found.secrets == ()
    assert {".env", ".aws/config", "k.pem"} <= {entry.path for entry in found.entries}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("!.env", ".env"),
        ("*\n!.env", ".env"),
        ("!**/.env", "sub/.env"),
        ("!.env*", ".env.local"),
        ("!certs/my.key", "certs/my.key"),
        ("!*.key", "my.key"),
        ("*\n!**/*.key", "certs/my.key"),
        ("!client*.json", "client_secret_1.json"),
    ],
)
def test_an_exception_that_names_a_secret_includes_it(tmp_path: Path, text: str, path: str) -> None:
    write(tmp_path, path, PEM_KEY)
    write(tmp_path, ".netrc")
    assert travelling(tmp_path, IgnoreRules.parse(text)) == [path]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("*\n!*", ".env"),
        ("*\n!**", ".env"),
        ("**\n!**/*", ".env"),
        ("*\n!src/*", "src/.env"),
        ("*\n!**/*.json", "service-account.json"),
        ("!.env", "sub/.env"),
        ("!sub/.env", ".env"),
        ("*\n!src/**", "src/.env"),
        ("*\n!src", "src/.env"),
        ("*\n!.ssh/[k]ept", ".ssh/kept"),
    ],
)
def test_an_exception_that_only_happens_to_match_includes_no_secret(
    tmp_path: Path, text: str, path: str
) -> None:
    write(tmp_path, path)
    found = scan(tmp_path, rules=IgnoreRules.parse(text))
    assert found.secrets == (path,)
    assert [entry for entry in found.entries if entry.kind != "dir"] == []


def test_an_excluded_folder_of_secrets_is_not_mentioned(tmp_path: Path) -> None:
    write(tmp_path, ".ssh/id_rsa")
    write(tmp_path, "app.py")
    found = scan(tmp_path, rules=IgnoreRules.parse("*\n!**/*.py"))
    assert found.secrets == ()
    assert [entry.path for entry in found.entries] == ["app.py"]


def test_an_exception_can_include_one_file_of_a_folder_of_secrets(tmp_path: Path) -> None:
    write(tmp_path, ".aws/config")
    write(tmp_path, ".aws/credentials")
    write(tmp_path, ".aws/sso/cache/token")
    found = scan(tmp_path, rules=IgnoreRules.parse("!.aws/config"))
    assert [entry.path for entry in found.entries] == [".aws", ".aws/config"]
    assert found.secrets == (".aws/credentials", ".aws/sso/")


@pytest.mark.parametrize("text", ["!.ssh", "*\n!.ssh", "!.ssh/*", "*\n!.ssh/**", "!**/.ssh"])
def test_an_exception_can_include_a_whole_folder_of_secrets(tmp_path: Path, text: str) -> None:
    write(tmp_path, ".ssh/id_rsa")
    write(tmp_path, ".ssh/deep/.env")
    write(tmp_path, ".aws/config")
    found = scan(tmp_path, rules=IgnoreRules.parse(text))
    assert {".ssh", ".ssh/id_rsa", ".ssh/deep/.env"} <= {entry.path for entry in found.entries}
    assert ".aws" not in {entry.path for entry in found.entries}


@pytest.mark.parametrize("text", ["!.ssh/public", "!.ssh/public/*"])
def test_an_exception_can_include_a_subfolder_of_a_folder_of_secrets(
    tmp_path: Path, text: str
) -> None:
    write(tmp_path, ".ssh/id_rsa")
    write(tmp_path, ".ssh/public/id_rsa")
    assert travelling(tmp_path, IgnoreRules.parse(text)) == [".ssh/public/id_rsa"]
    assert scan(tmp_path, rules=IgnoreRules.parse(text)).secrets == (".ssh/id_rsa",)


def test_excluded_files_are_not_reported_as_secrets(tmp_path: Path) -> None:
    write(tmp_path, ".env")
    write(tmp_path, ".ssh/id_rsa")
    found = scan(tmp_path, rules=IgnoreRules.parse(".env\n.ssh\n!.sshx"))
    assert found.secrets == ()
    assert found.entries == ()


def test_a_folder_named_like_a_secret_file_travels(tmp_path: Path) -> None:
    write(tmp_path, "fixtures.key/a.txt")
    assert travelling(tmp_path) == ["fixtures.key/a.txt"]


@given(st.text(alphabet="as./*!\\[]\n", max_size=20))
def test_any_exceptions_are_accepted(text: str) -> None:
    try:
        rules = IgnoreRules.parse(text)
    except ContextError:
        return
    table = SecretTable(rules)
    assert table.asks_for("a", "a") in {True, False}
    assert table.may_ask_below("a") in {True, False}


@pytest.mark.parametrize("text", ["!x\\/*", "!*/*", "!**/**", "!.", "!/a/*/**"])
def test_an_odd_exception_does_no_harm(text: str) -> None:
    assert not SecretTable(IgnoreRules.parse(text)).asks_for_folder(".ssh", ".ssh")


# Other names of held files


def test_hard_links_to_a_secret_are_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path, "m/.env")
    for name in ("a-copy", "z-copy", "m/b-copy"):
        (tmp_path / name).hardlink_to(tmp_path / "m" / ".env")
    write(tmp_path, "app.py")
    found = scan(tmp_path, rules=NO_RULES)
    assert [entry.path for entry in found.entries if entry.kind != "dir"] == ["app.py"]
    assert sorted(found.secrets) == ["a-copy", "m/.env", "m/b-copy", "z-copy"]


def test_hard_links_into_a_folder_of_secrets_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, ".ssh/deep/mine", b"x")
    (tmp_path / "mine").hardlink_to(tmp_path / ".ssh" / "deep" / "mine")
    assert travelling(tmp_path) == []


def test_hard_links_to_an_ignored_secret_are_left_out(
    tmp_path: Path,
) -> None:
    write(tmp_path, ".env")
    (tmp_path / "copy").hardlink_to(tmp_path / ".env")
    rules = IgnoreRules.parse(".env\n")
    assert travelling(tmp_path, rules) == []
    assert scan(tmp_path, rules=rules).secrets == ("copy",)


def test_an_included_hard_link_travels_as_a_separate_file(tmp_path: Path) -> None:
    write(tmp_path, ".env", b"TOKEN=x")
    for name in ("a", "b", "c"):
        (tmp_path / name).hardlink_to(tmp_path / ".env")
    found = scan(tmp_path, rules=IgnoreRules.parse("!b\n!c\n"))
    assert [(e.path, e.kind, e.size, e.target) for e in found.entries] == [
        ("b", "file", 7, ""),
        ("c", "hardlink", 0, "b"),
    ]
    assert sorted(found.secrets) == [".env", "a"]


def test_hard_links_travel_if_all_secrets_do(tmp_path: Path) -> None:
    write(tmp_path, ".env")
    (tmp_path / "copy").hardlink_to(tmp_path / ".env")
    found = scan(tmp_path, rules=NO_RULES, include_secrets=True)
    assert [(e.path, e.kind, e.target) for e in found.entries] == [
        (".env", "file", ""),
        ("copy", "hardlink", ".env"),
    ]


# Histories of version control systems

LOGIN = b'[remote "origin"]\n\turl = https://me:abcdefgh@git.example.org/x\n'


@pytest.mark.parametrize(
    "name", [".git", ".hg", ".svn", ".bzr", ".jj", "_darcs", "CVS", "sub/.git"]
)
@pytest.mark.parametrize("text", ["", "*.log\n", "!src\n", "!**/*\n"])
def test_a_history_is_left_out_even_if_the_ignore_file_forgets_it(
    tmp_path: Path, name: str, text: str
) -> None:
    write(tmp_path, f"{name}/config", LOGIN)
    write(tmp_path, "app.py")
    rules = IgnoreRules.parse(text)
    assert travelling(tmp_path, rules) == ["app.py"]
    assert scan(tmp_path, rules=rules).histories == (name,)
    assert scan(tmp_path, rules=rules, include_secrets=True).histories == (name,)


def test_the_git_file_of_a_worktree_is_left_out_too(tmp_path: Path) -> None:
    write(tmp_path, ".git", b"gitdir: /home/me/x/.git/worktrees/y\n")
    assert travelling(tmp_path) == []


@pytest.mark.parametrize("text", [".git", "**/.git", "*\n!app.py"])
def test_an_ignored_history_is_not_mentioned(tmp_path: Path, text: str) -> None:
    write(tmp_path, ".git/config", LOGIN)
    write(tmp_path, "app.py")
    found = scan(tmp_path, rules=IgnoreRules.parse(text))
    assert found.histories == ()
    assert [entry.path for entry in found.entries] == ["app.py"]


@pytest.mark.parametrize("text", ["!.git", "*\n!.git", "!.git/**", "!**/.git"])
def test_an_included_history_travels_without_logins(tmp_path: Path, text: str) -> None:
    token = LOGIN.replace(b"me:abcdefgh", b"abcdefghijkl")
    header = b'[http "https://git.example.org/"]\n\textraheader = AUTHORIZATION: basic eDp5\n'
    held = {
        "config": LOGIN,
        "modules/a/config": token,
        "modules/b/config": header,
        "logs/HEAD": LOGIN,
    }
    sent = {"HEAD": b"ref: refs/heads/main\n", "objects/ab/cd": LOGIN * 9000}
    sent["modules/c/config"] = b'[remote "origin"]\n\turl = git@git.example.org:x\n'
    sent["modules/d/config"] = b'[remote "origin"]\n\turl = https://git.example.org/x\n'
    for path, data in (held | sent).items():
        write(tmp_path, f".git/{path}", data)
    rules = IgnoreRules.parse(text)
    assert set(travelling(tmp_path, rules)) == {f".git/{path}" for path in sent}
    assert set(scan(tmp_path, rules=rules).secrets) == {f".git/{path}" for path in held}


def test_logins_in_long_logs_of_version_control_are_left_out(tmp_path: Path) -> None:
    clone = b"0 1 Me <me@example.org> 1 +0000\tclone: from https://me:hunter2@git.example.org/x\n"
    held = {
        ".git/logs/HEAD": clone + b"1 2 Me <me@example.org> 1 +0000\tcommit: x\n" * 5000,
        ".hg/hgrc": b"[auth]\nx.prefix = hg.example.org\nx.password = hunter2\n",
        ".svn/auth/svn.simple/1": b"K 8\npassword\nV 7\nhunter2\nK 8\nusername\nV 2\nme\nEND\n",
    }
    for path, data in held.items():
        write(tmp_path, path, data)
    rules = IgnoreRules.parse("!.git\n!.hg\n!.svn\n")
    assert set(scan(tmp_path, rules=rules).secrets) == set(held)


def test_several_histories_are_one_line() -> None:
    assert describe_histories(()) == ""
    assert describe_histories((".git", "a/.git", "b/.git", "c/.git")) == (
        "left out, since it is the history of a version control system: .git, a/.git, b/.git and 1 more"
        " (to send it, without logins, add the line !.git to the ignore file)"
    )


# Files that an option names


@pytest.mark.parametrize("include_secrets", [False, True])
def test_a_private_file_is_left_out_under_all_its_names(
    tmp_path: Path, include_secrets: bool
) -> None:
    write(tmp_path, "token")
    (tmp_path / "copy").hardlink_to(tmp_path / "token")
    write(tmp_path, "app.py")
    status = (tmp_path / "token").stat()
    found = scan(
        tmp_path,
        rules=IgnoreRules.parse("!token\n!copy\n"),
        include_secrets=include_secrets,
        without=Without(files=frozenset({(status.st_dev, status.st_ino)})),
    )
    assert [entry.path for entry in found.entries] == ["app.py"]
    assert [skipped.path for skipped in found.skipped] == ["copy", "token"]


# The line that the build says


def test_without_secrets_there_is_no_note() -> None:
    assert describe(()) == ""


def test_the_note_says_how_to_send_a_secret() -> None:
    assert describe((".env",)) == (
        "left out, since it looks like a secret: .env"
        " (to send one, name it in the ignore file: !.env; for its variables alone, name it in env_file)"
    )


def test_many_secrets_are_one_line() -> None:
    line = describe(("a.key", "b.key", "c\n.key", "d.key", "e.key"))
    assert "a.key, b.key, 'c\\n.key' and 2 more" in line
    assert "\n" not in line
