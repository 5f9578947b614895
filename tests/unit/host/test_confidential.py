"""What gives a secret away: names of variables, and logins in URLs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildr.errors import BuildError
from buildr.host import console
from buildr.host.confidential import holds_login, is_confidential, logins, without_logins
from buildr_backends.shared.build_log import follow_build


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD",
        "PGPASSWORD",
        "DB_PASS",
        "DBPASS",
        "SMTP_PASSWD",
        "GITHUB_PAT",
        "AUTH",
        "BASIC_AUTH",
        "TOKEN",
        "CI_JOB_TOKEN",
        "MYTOKEN",
        "apiKey",
        "API_KEY",
        "APIKEY",
        "SSHKEY",
        "SECRET_KEY",
        "DJANGO_SECRET",
        "CLIENT_SECRET",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "CREDENTIALS",
        "DB_CREDS",
        "SENTRY_DSN",
        "JWT",
        "db.password",
        "smtp-password",
        "ROOT_PW",
        "SLACK_WEBHOOK_URL",
        "CONNECTION_STRING",
        "passphrase",
        "KEY",
    ],
)
def test_a_secret_name_is_recognized(name: str) -> None:
    assert is_confidential(name)


@pytest.mark.parametrize(
    "name",
    [
        "MONKEY",
        "TURKEY",
        "HOTKEY",
        "KEYBOARD",
        "AUTHOR",
        "AUTHORS",
        "PATH",
        "PATTERN",
        "COMPASS",
        "PASSENGER",
        "TOKENIZERS_PARALLELISM",
        "SECRETARY",
        "DEBUG",
        "PUBLIC_KEY",
        "POSTGRES_PASSWORD_FILE",
        "TOKEN_URL",
        "AUTH_TYPE",
        "SSH_AUTH_SOCK",
        "PASSWORD_MIN_LENGTH",
        "DATABASE_URL",
        "KEYCLOAK_REALM",
        "PYTHONPATH",
        "PINNED",
        "_",
    ],
)
def test_other_names_are_not_secret(name: str) -> None:
    assert not is_confidential(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hunter2@index/x", "https://me:****@index/x"),
        ("https://ghp_abc@index/x", "https://****@index/x"),
        ("git+https://abcdef@index/x", "git+https://****@index/x"),
        ("https://abcdef:@index", "https://****:@index"),
        ("https://abcdef:x-oauth-basic@index", "https://****:x-oauth-basic@index"),
        ("https://abcdefghijklmnopqr:more@index", "https://****:****@index"),
        ("https://oauth2:abcdef@index", "https://oauth2:****@index"),
        ("https://__token__:pypi@index", "https://__token__:****@index"),
        (
            "postgres://me:p%40ss@db/x, redis://:word@cache",
            "postgres://me:****@db/x, redis://:****@cache",
        ),
        (
            "https://me:****@index and https://****@index",
            "https://me:****@index and https://****@index",
        ),
        ("ssh://git@index/x and git@index:x", "ssh://git@index/x and git@index:x"),
        ("https://git@index", "https://git@index"),
        ("https://index/a@b", "https://index/a@b"),
        ("docker://index/a@sha256:ab", "docker://index/a@sha256:ab"),
        ("me@example.org", "me@example.org"),
    ],
)
def test_secrets_of_a_login_in_a_url_are_hidden(text: str, shown: str) -> None:
    assert without_logins(text) == shown
    assert holds_login(text) is (text != shown)


@given(st.text(alphabet="ab:/@ h.tps%", max_size=60))
def test_no_login_is_left_in_any_text(text: str) -> None:
    shown = without_logins(text)
    assert without_logins(shown) == shown
    assert all(set(word) <= {"*"} or word in text for word in logins(shown))


def test_buildr_s_own_lines_hide_them(capfd: pytest.CaptureFixture[str]) -> None:
    console.say("installing from https://me:hunter2@index")
    console.error("cannot reach https://abcdefgh@index")
    said = capfd.readouterr().err
    assert "https://me:****@index" in said
    assert "https://****@index" in said


def test_the_error_of_a_build_hides_them() -> None:
    step = "RUN pip install --index-url https://me:hunter2@index x"
    documents = [{"stream": f"Step 1/1 : {step}\n"}, {"stream": "Looking in https://tok3n@index\n"}]
    documents.append({"error": "it failed at https://me:hunter2@index"})
    with pytest.raises(BuildError) as caught:
        follow_build([json.dumps(document).encode() for document in documents], lambda _: None)
    assert "https://****@index" in caught.value.hint
    assert not any(word in str(caught.value) for word in ("hunter2", "tok3n"))
