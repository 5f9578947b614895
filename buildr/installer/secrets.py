"""The values of secrets: read on the host when they are needed, and told apart from everything that is kept."""

from __future__ import annotations

import os
import re
import tarfile
from typing import TYPE_CHECKING
from urllib.parse import unquote

from msgspec import Struct

from buildr.errors import Message, OptionError, OptionName
from buildr.installer.pip_config import settings
from buildr.options.secrets import HOST_PIP

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildr.options.secrets import BuildSecret

MEANINGS = {"pip.conf": "PIP_CONFIG_FILE", "netrc": "NETRC", "cert": "PIP_CERT"}
"""The ids of files that pip is told of, each by its variable."""
_PUBLIC = ("cert", "PIP_CERT")  # certificates are no secret
_KEY = "PIP_CLIENT_CERT"  # a certificate with its key
_PASSWORD_OF_URL = re.compile(r"://[^/\s:@]*:([^@/\s]+)@")
_PASSWORD_OF_NETRC = re.compile(r"\bpassword\s+(\"(?:[^\"\\]|\\.)*\"|\S+)")
_SHORTEST = 4  # characters; a shorter text would be found everywhere
_LONG_LINE = 16  # characters of a line that identifies a file
_FILE_BYTES = 16 << 20
_LOOKED_FOR = 8  # characters; a shorter secret may stand anywhere by chance
_CHUNK = 1 << 20


class Secrets(Struct, frozen=True, kw_only=True):
    """Values for one installation. It is never stored, sent elsewhere or shown."""

    variables: dict[str, str]
    """Of pip's environment."""
    files: dict[str, str]
    """By id; bytes that are no UTF-8 as surrogates."""
    meanings: dict[str, str]
    """By id, the variable that names the file."""
    hidden: dict[str, str]
    """Texts that must not turn up anywhere, each with the id of its secret."""

    def __repr__(self) -> str:
        """Show no value."""
        return f"Secrets({', '.join(sorted({*self.variables, *self.files}))})"

    def hide(self, text: str) -> str:
        """Return a text without the secrets that stand in it."""
        for word in self.hidden:
            if word in text:
                text = text.replace(word, "****")
        return text


def read_secrets(named: Sequence[BuildSecret], context: str) -> Secrets:
    """Read the values of secrets.

    Args:
        named: which.
        context: the directory that relative paths start from.

    Raises:
        OptionError: a variable is not set, or a file cannot be read.
    """
    variables: dict[str, str] = {}
    files: dict[str, str] = {}
    meanings: dict[str, str] = {}
    hidden: dict[str, str] = {}

    def hide(name: str, text: str, *, of_host: bool = False) -> str:
        for word in _words(name, text, of_host=of_host):
            hidden.setdefault(word, HOST_PIP if of_host else name)
        return text

    # What the user names goes before what this host is set to.
    for secret in sorted(named, key=lambda secret: secret.id != HOST_PIP):
        if secret.id == HOST_PIP:
            variables, paths = settings()
            for name, text in variables.items():
                hide(name, text, of_host=True)
            for name, path in paths.items():
                text = _file(path, f"pip's setting {name} on this host")
                files[name], meanings[name] = hide(name, text, of_host=True), name
        elif secret.env is not None:
            value = os.environ.get(secret.env)
            if value is None:
                raise OptionError(
                    Message(
                        OptionName("package.secrets"),
                        f": {secret.id} is the variable {secret.env}, which is not set",
                    ),
                    hint=f"Set it, or name a file: id={secret.id},src=FILE.",
                )
            variables[secret.id] = hide(secret.id, value)
        else:
            path = os.path.join(context, os.path.expanduser(secret.src or ""))
            files[secret.id] = hide(
                secret.id, _file(path, Message(OptionName("package.secrets"), f": {secret.id}"))
            )
            if secret.id in MEANINGS:
                meanings[secret.id] = MEANINGS[secret.id]
                host = MEANINGS[secret.id]  # a file that this host was set to has that for an id
                files.pop(host, None)
                meanings.pop(host, None)
    longest_first = dict(sorted(hidden.items(), key=lambda item: -len(item[0])))
    return Secrets(variables=variables, files=files, meanings=meanings, hidden=longest_first)


def _file(path: str, label: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(_FILE_BYTES + 1)
    except OSError as error:
        raise OptionError(
            Message(label, f" is the file {path}, which cannot be read: {error.strerror}"),
            hint="Make it readable for you, or name another.",
        ) from None
    if len(data) > _FILE_BYTES:
        raise OptionError(
            Message(label, f" is the file {path}, which has more than {_FILE_BYTES >> 20} MiB"),
            hint="Is it the right one?",
        )
    return data.decode("utf-8", "surrogateescape")


def _words(name: str, text: str, *, of_host: bool) -> Iterable[str]:
    """Yield what of a secret must not turn up: passwords where it is known where they stand, else its lines.

    Args:
        name: the secret's id, or the variable of a setting of pip's.
        text: its value.
        of_host: whether it is a setting of pip's on this host, most of which are no secrets.
    """
    if name in _PUBLIC:
        return
    found = [match[1] for match in _PASSWORD_OF_URL.finditer(text)]
    if name == "netrc":
        found += [match[1].strip('"') for match in _PASSWORD_OF_NETRC.finditer(text)]
    elif name == _KEY or not (of_host or name == "pip.conf" or found):
        lines = [line.strip() for line in text.strip().splitlines()]
        # Of a longer file the lines that only it can have: a frame such as -----BEGIN … is anybody's.
        found += lines if len(lines) == 1 else [line for line in lines if len(line) >= _LONG_LINE]
    for word in found:
        for spelt in (word, unquote(word)):
            if len(spelt) >= _SHORTEST and not spelt.startswith(("-----", "#")):
                yield spelt


def find_secret(archive: str, secrets: Secrets) -> tuple[str, str] | None:
    """Look for secrets in what was installed; return the id of one that is there, and the path."""
    names = {
        word.encode("utf-8", "surrogateescape"): name
        for word, name in secrets.hidden.items()
        if len(word) >= _LOOKED_FOR
    }
    if not names:
        return None
    pattern = re.compile(b"|".join(map(re.escape, names)))
    overlap = max(map(len, names))
    with tarfile.open(archive) as tar:
        for member in tar:
            own = f"{member.name}\n{member.linkname}".encode("utf-8", "surrogateescape")
            if match := pattern.search(own):
                return names[match[0]], "the name of a file"
            file = tar.extractfile(member) if member.isreg() else None
            tail = b""
            while file and (chunk := file.read(_CHUNK)):
                if match := pattern.search(tail + chunk):
                    return names[match[0]], f"/{member.name}"
                tail = chunk[-overlap:]
    return None
