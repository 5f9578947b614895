"""Files that probably hold a secret, and are left out of the context unless they are asked for.

One table, decided by name; where a name alone says too little (a ``.pem`` may be a public certificate), the
first bytes of the file decide. A user asks for one with a ``!`` in the ignore file that names it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from buildr.context.entries import printable
from buildr.context.ignore.pattern import Pattern, PatternSet

if TYPE_CHECKING:
    from buildr.context.ignore.rules import IgnoreRules

__all__ = ["FOLDERS", "HEAD_BYTES", "ROWS", "Row", "SecretTable", "describe"]

HEAD_BYTES: Final = 64 * 1024
"""How much of a file is looked at where its name does not decide: a key may follow a chain of certificates."""

_PEM = rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY"
# ASN.1: a SEQUENCE that begins with the INTEGER 0 or 1 is a key (RFC 5208, RFC 5915, RFC 8017); a
# certificate begins with another SEQUENCE (RFC 5280).
_DER = rb"\A\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]"
_PRIVATE_KEY: Final = re.compile(b"(?s:" + _PEM + b"|" + _DER + b")")
# A value such as ${NPM_TOKEN} is a reference, not the token.
_NPM_TOKEN: Final = re.compile(rb"(?m)^[^#;\n]*_(?:auth|authToken|password)[ \t]*=[ \t]*[^\s$]")


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        names: patterns in the syntax of an ignore file, each meant at any depth; ``!`` makes an exception
            to the row.
        reason: what such a file holds.
        head: where the name does not decide, what the first ``HEAD_BYTES`` bytes have to show.
    """

    names: str
    reason: str
    head: re.Pattern[bytes] | None = None


ROWS: Final[tuple[Row, ...]] = (
    Row(
        r".env .env.* .env-* .env_* .envrc !.env*[._\-]example !.env*[._\-]sample !.env*[._\-]template"
        r" !.env*[._\-]tmpl !.env*[._\-]dist !.env*[._\-]defaults",
        "settings with passwords and tokens",
    ),
    Row("*.pem *.key", "a private key", _PRIVATE_KEY),
    Row(
        "id_rsa id_dsa id_ecdsa id_ecdsa_sk id_ed25519 id_ed25519_sk *.ppk",
        "a private SSH key",
    ),
    Row("*.p12 *.pfx *.jks *.keystore *.bcfks", "a store of private keys"),
    Row("*.kdbx", "a password safe"),
    Row(".netrc _netrc .git-credentials .pgpass .my.cnf .mylogin.cnf", "logins"),
    Row(".htpasswd", "hashes of passwords"),
    Row(".pypirc", "the token of a package index"),
    Row(".npmrc", "the token of a package registry", _NPM_TOKEN),
    Row(
        ".docker/config.json .dockercfg .config/containers/auth.json", "logins of image registries"
    ),
    Row(".kube/config kubeconfig *.kubeconfig", "the keys of a cluster"),
    Row(
        "service-account*.json service_account*.json serviceaccount*.json *service-account.json"
        " *service_account.json client_secret*.json application_default_credentials.json .boto .s3cfg",
        "the keys of a cloud account",
    ),
    Row(
        ".vault-token .terraformrc *.tfstate *.tfstate.backup", "tokens, or a state that holds them"
    ),
    Row(".streamlit/secrets.toml kaggle.json", "the token of a service"),
)
"""Rows for files and symbolic links; the first that fits gives the reason."""

FOLDERS: Final[tuple[Row, ...]] = (
    Row(".ssh .gnupg .password-store", "private keys and passwords"),
    Row(".aws .azure .config/gcloud .oci", "the keys of a cloud account"),
)
"""Rows for folders, which are left out as a whole."""

_TABLE_NAMES: Final = frozenset(name for row in (*ROWS, *FOLDERS) for name in row.names.split())


class SecretTable:
    """The table, ready to be asked about one context.

    A ``!`` of the ignore file asks for a secret when it names it: its last component begins with a letter of
    the name (``!.env*``) or is a pattern of the table (``!*.pem``). ``!**/*.json`` names none, and neither
    does ``!src`` for what lies in it. For a folder of secrets, ``!.aws``, ``!.aws/*`` and ``!.aws/**`` ask alike.

    Args:
        rules: the ignore rules that apply.
    """

    def __init__(self, rules: IgnoreRules) -> None:
        self._rows = tuple(_compile(row) for row in ROWS)
        self._any_row = PatternSet(tuple(p for row in self._rows for p in row.fits.patterns))
        self._folders = PatternSet(tuple(p for row in FOLDERS for p in _compile(row).fits.patterns))
        self._asked = PatternSet(tuple(filter(_names_something, rules.exceptions)))
        folders = (_without_wildcards_below(pattern) for pattern in rules.exceptions)
        self._asked_folders = PatternSet(tuple(filter(_names_something, folders)))

    def find(self, path: str, name: str) -> Row | None:
        """Find the row that a file is held back for.

        Args:
            path: the file, relative to the context.
            name: its last component.

        Returns:
            The row, or None; where it has a ``head``, the file's first bytes are to be looked at.
        """
        if not self._any_row.matches(path, name):
            return None
        for fits, excepted, row in self._rows:
            if fits.matches(path, name) and not excepted.matches(path, name):
                return None if self.asks_for(path, name) else row
        return None

    def is_secret_folder(self, path: str, name: str) -> bool:
        """Say whether the folder, or the link by such a name, is one that holds secrets."""
        return self._folders.matches(path, name)

    def asks_for(self, path: str, name: str) -> bool:
        """Say whether the ignore file asks for the file ``path``."""
        return self._asked.matches(path, name)

    def asks_for_folder(self, path: str, name: str) -> bool:
        """Say whether the ignore file asks for the folder ``path`` with all that is in it."""
        return self._asked_folders.matches(path, name)

    def may_ask_below(self, directory: str) -> bool:
        """Say whether the ignore file may ask for something below ``directory``."""
        asked = (*self._asked.patterns, *self._asked_folders.patterns)
        return any(pattern.may_match_below(directory) for pattern in asked)


def _names_something(pattern: Pattern) -> bool:
    name = pattern.text.rpartition("/")[2]
    return name[0] not in "*?[" or name in _TABLE_NAMES


def _without_wildcards_below(pattern: Pattern) -> Pattern:
    text = pattern.text.removesuffix("/**").removesuffix("/*")
    # Where the slash was escaped, a backslash would be left over.
    return pattern if text.endswith("\\") else Pattern(text)


class _Compiled(NamedTuple):
    fits: PatternSet
    excepted: PatternSet
    row: Row


def _compile(row: Row) -> _Compiled:
    fits: list[Pattern] = []
    excepted: list[Pattern] = []
    for name in row.names.split():
        chosen = excepted if name.startswith("!") else fits
        chosen.append(Pattern("**/" + name.removeprefix("!")))
    return _Compiled(PatternSet(tuple(fits)), PatternSet(tuple(excepted)), row)


def describe(held_back: tuple[str, ...]) -> str:
    """Say in one line what was held back; empty where nothing was.

    Args:
        held_back: paths relative to the context, folders with a final ``/``.
    """
    if not held_back:
        return ""
    shown = ", ".join(printable(path) for path in held_back[:3])
    if len(held_back) > 3:
        shown += f" and {len(held_back) - 3} more"
    which = "it looks" if len(held_back) == 1 else "they look"
    return (
        f"left out, since {which} like a secret: {shown}"
        f" (to send one, name it in the ignore file: !{printable(held_back[0])})"
    )
