"""Recognizes secrets: by the name of a variable, or as a login in a URL."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["holds_login", "is_confidential", "logins", "without_logins"]

_WORDS: Final = (
    "auth authorization bearer cookie cred creds credential credentials connstr dsn jwt keys passcode passwords pat pin pw salt"
    " secrets signature tokens"
)
# Matched as words or as suffixes: PGPASSWORD, DBPASS, APIKEY.
_ENDINGS: Final = (
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "token",
    "credentials",
    "key",
)
_OTHER_WORDS: Final = (
    "bypass compass overpass surpass trespass underpass donkey hickey hockey hotkey jockey lackey malarkey mickey monkey"
    " smokey turkey whiskey"
)
_PAIRS: Final = ("connection string", "webhook url")
# Names with these endings hold facts about a secret, such as its place.
_ABOUT: Final = (
    "algorithm dir enabled endpoint env expiration expires expiry file folder header host issuer length lifetime max method"
    " min mode name path port prefix provider required scheme size sock suffix timeout ttl type uri url version"
)
_PUBLIC: Final = ("public", "publishable")

_LOGIN: Final = re.compile(r"(?P<scheme>[A-Za-z+]{0,16})://(?P<login>[^\s/@'\"<>]{1,1000})@")
_NO_TOKENS: Final = (
    "",
    "git",
    "hg",
    "svn",
    "user",
    "username",
    "anonymous",
    "oauth2",
    "__token__",
    "token",
)
_NO_PASSWORDS: Final = ("", "x-oauth-basic", "x")
_HIDDEN: Final = "****"
_TOKEN_LENGTH: Final = 16  # a user name of this length is probably a token


def is_confidential(name: str) -> bool:
    """Whether a variable, option or field with this name holds a secret: ``PGPASSWORD``, ``DB_PASS``, ``apiKey``; not ``MONKEY``."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    parts = [part for part in re.split(r"[^a-z0-9]+", words) if part]
    if " ".join(parts[-2:]) in _PAIRS:
        return True
    if not parts or parts[-1] in _ABOUT.split(" ") or any(part in _PUBLIC for part in parts):
        return False
    others, known = _OTHER_WORDS.split(" "), _WORDS.split(" ")
    return any(p in known or (p.endswith(_ENDINGS) and p not in others) for p in parts)


def logins(text: str) -> list[str]:
    """Return the secret parts of the logins in all URLs of a text, as they are spelled there: passwords, and users that are tokens."""
    return [word for match in _LOGIN.finditer(text) for word in _secrets_of(match)]


def _secrets_of(login: re.Match[str]) -> list[str]:
    user, colon, password = login["login"].partition(":")
    has_password = password not in _NO_PASSWORDS
    found = [password] if has_password and password != _HIDDEN else []
    # ssh://git@… has only a user, and so has https://TOKEN@…
    may_be_token = bool(colon) or login["scheme"].lower().endswith(("http", "https"))
    if (
        may_be_token
        and user not in (*_NO_TOKENS, _HIDDEN)
        and (len(user) >= _TOKEN_LENGTH or not has_password)
    ):
        found.append(user)
    return found


def holds_login(text: str) -> bool:
    """Whether a text has a URL with a login in it."""
    return "://" in text and bool(logins(text))


def without_logins(text: str) -> str:
    """Return a text without the secrets of logins in URLs."""
    if "://" not in text or "@" not in text:
        return text

    def hidden(match: re.Match[str]) -> str:
        login = match["login"]
        for word in _secrets_of(match):
            login = login.replace(word, _HIDDEN)
        return f"{match['scheme']}://{login}@"

    return _LOGIN.sub(hidden, text)
