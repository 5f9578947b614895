"""Secrets of a guest are hidden in the report of an exception."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from buildr.errors import RemoteError
from buildr.runners import result_file
from buildr.testing import FakeBackend, using
from tests.unit import calls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE = """
from buildr import Containerize

class OwnError(Exception):
    pass

@Containerize
def fail(value, own=False):  # the guest has the value in a variable; the fake engine has none
    error = (OwnError if own else ValueError)(f"no login with {value!r}", {"it was": value})
    error.__notes__ = [value]
    error.state = value
    raise error

@Containerize
def shout(text):
    raise RuntimeError(text)
"""
KEY = "-----BEGIN KEY-----\nMIIBVgIBADANBgkqhkiG\n9w0BAQEFAASCAUAwggE8\n-----END KEY-----\n"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(result_file, "_PAUSE_SECONDS", 0)
    with using(FakeBackend()):
        yield from calls.imported(tmp_path, monkeypatch, text=MODULE)


def shown(error: BaseException) -> str:
    cause = error.__cause__
    found = [error, error.args, vars(error), getattr(error, "__notes__", []), cause]
    if isinstance(cause, RemoteError):
        found += [cause.traceback, cause.hint]
    return "\n".join(f"{part} {part!r}" for part in found)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("name", "value", "secrets"),
    [
        ("DB_PASS", "hunter2", ["hunter2"]),
        ("PGPASSWORD", 'it\'s "q\\uoted"\tü', ["uoted"]),
        ("SIGNING_KEY", KEY, ["MIIBVgIBADANBgkqhkiG", "9w0BAQEFAASCAUAwggE8"]),
        ("SERVICE_CREDENTIALS", json.dumps({"password": "hunter2!"}), ["hunter2!"]),
        ("DATABASE", "postgres://me:hunter2@db/x", ["hunter2"]),
        ("INDEX", "https://tokentokentoken1234@index.example.org/simple", ["tokentoken"]),
    ],
)
def test_values_of_secret_variables_are_hidden(
    work: Any, name: str, value: str, secrets: list[str], own: bool
) -> None:
    fail = calls.options(work.fail, env={name: value})
    with pytest.raises(RemoteError if own else ValueError, match="no login with") as caught:
        fail.remote(value, own)
    text = shown(caught.value)
    assert "****" in text
    assert [secret for secret in secrets if secret in text] == []


def test_values_of_the_host_and_of_files_are_hidden(
    work: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "variables").write_text("API_KEY=s3cret-of-a-file\n")
    monkeypatch.setenv("MY_TOKEN", "s3cret-of-the-host")
    for value, options in (
        ("s3cret-of-a-file", {"env_file": str(tmp_path / "variables")}),
        ("s3cret-of-the-host", {"env": {"MY_TOKEN": None}}),
    ):
        with pytest.raises(ValueError, match="no login with") as caught:
            calls.options(work.fail, **options).remote(value)
        assert "s3cret" not in shown(caught.value)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("it is true of 123 cases", {"USE_TOKEN": "true", "PIN": "123"}),
        ("the mode is production-like", {"MODE": "production"}),
        ("see https://example.org/@me", {}),
    ],
)
def test_other_values_are_not_hidden(work: Any, text: str, variables: dict[str, str]) -> None:
    with pytest.raises(RuntimeError) as caught:
        calls.options(work.shout, env=variables).remote(text)
    assert caught.value.args == (text,)
