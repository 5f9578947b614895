"""The values of secrets: read on the host when they are needed, and kept out of everything that is stored."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.archive.reader import ArchiveError, TarReader
from buildr.dependencies.pip_config import settings
from buildr.errors import BuildError, Message, OptionError, OptionName
from buildr.host.files import read_file
from buildr.installer.secret_words import words_of
from buildr.options.secrets import HOST_PIP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.options.secrets import BuildSecret

MEANINGS = {"pip.conf": "PIP_CONFIG_FILE", "netrc": "NETRC", "cert": "PIP_CERT"}
"""The ids of files that pip finds, each by its variable."""
_FILE_BYTES = 16 << 20
_CHUNK = 1 << 20


class Secrets(Struct, frozen=True, kw_only=True):
    """Values for one installation. It is never stored, sent elsewhere or shown."""

    variables: dict[str, str]
    """Of pip's environment."""
    files: dict[str, str]
    """By id; bytes that are not UTF-8 as surrogates."""
    meanings: dict[str, str]
    """By id, the variable that names the file."""
    hidden: dict[str, str]
    """Texts that must not be shown, each with the id of its secret."""
    sought: dict[str, str] = {}
    """Those of them that do not appear by chance, and must not appear in files."""

    def __repr__(self) -> str:
        """Show no value."""
        return f"Secrets({', '.join(sorted({*self.variables, *self.files}))})"

    def hide(self, text: str) -> str:
        """Return a text without the secrets in it."""
        for word in self.hidden:
            if word in text:
                text = text.replace(word, "****")
        return text


def read_secrets(named: Sequence[BuildSecret], context: str, *, ask_pip: bool = True) -> Secrets:
    """Read the values of secrets.

    Args:
        named: which.
        context: the directory that relative paths start from.
        ask_pip: whether pip tells its settings; its files are read otherwise.

    Raises:
        OptionError: a variable is not set, or a file cannot be read.
    """
    variables: dict[str, str] = {}
    files: dict[str, str] = {}
    meanings: dict[str, str] = {}
    hidden: dict[str, str] = {}
    sought: dict[str, str] = {}
    hide = partial(_note_words, hidden, sought)
    # Secrets named by the user precede settings of this host.
    for secret in sorted(named, key=lambda secret: secret.id != HOST_PIP):
        if secret.id == HOST_PIP:
            variables, paths = settings(ask=ask_pip)
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
    return Secrets(
        variables=variables, files=files, meanings=meanings, hidden=longest_first, sought=sought
    )


def _note_words(
    hidden: dict[str, str], sought: dict[str, str], name: str, text: str, *, of_host: bool = False
) -> str:
    """Record the words of a secret that must not appear anywhere; return the secret."""
    for word in words_of(name, text, of_host=of_host):
        hidden.setdefault(word.text, HOST_PIP if of_host else name)
        if word.sought:
            sought.setdefault(word.text, hidden[word.text])
    return text


def _file(path: str, label: str) -> str:
    try:
        data = read_file(path, _FILE_BYTES)
    except OSError as error:
        raise OptionError(
            Message(label, f" is the file {path}, which cannot be read: {error.strerror}"),
            hint="Make it a regular file that you may read, or name another.",
        ) from None
    return data.decode("utf-8", "surrogateescape")


def find_secret(archive: str, secrets: Secrets) -> tuple[str, str] | None:
    """Search an installation for secrets; return the id of a found one, and the path."""
    names = {word.encode("utf-8", "surrogateescape"): name for word, name in secrets.sought.items()}
    if not names:
        return None
    pattern = re.compile(b"|".join(map(re.escape, names)))
    overlap = max(map(len, names))
    with open(archive, "rb") as file:
        reader = TarReader(iter(lambda: file.read(_CHUNK), b""))
        try:
            for member in reader:
                own = f"{member.path}\n{member.link}".encode("utf-8", "surrogateescape")
                if match := pattern.search(own):
                    return names[match[0]], "the name of a file"
                tail = b""
                for chunk in reader.content():
                    if match := pattern.search(tail + chunk):
                        return names[match[0]], f"/{member.path}"
                    tail = chunk[-overlap:]
        except ArchiveError as error:
            raise BuildError(
                f"what the installation wrote cannot be searched for secrets: {error}",
                hint="Its build writes to the container's own standard output.",
            ) from None
    return None
