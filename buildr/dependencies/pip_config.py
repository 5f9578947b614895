"""pip's configuration on this host, as far as it says where packages come from: the secret ``pip``.

pip itself is asked, so that its files and variables are merged as it merges them. An interpreter without pip (uv makes such
environments) still has these files: they are then read here, in pip's order
(https://pip.pypa.io/en/stable/topics/configuration/). Only what concerns the way to an index is taken; a folder of this
host, a target or a log file would mean nothing in a container.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from ast import literal_eval
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from buildr.dependencies.requirement import without_password
from buildr.errors import OptionError
from buildr.host.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_URLS = ("index-url", "extra-index-url", "find-links")
_FILES = ("cert", "client-cert")
_PLAIN = (
    "trusted-host",
    "proxy",
    "retries",
    "timeout",
    "no-index",
    "keyring-provider",
)
_ENVIRONMENT = ":env:"
_SECTIONS = ("global", "install", _ENVIRONMENT)
"""Those that ``pip install`` reads; what comes later goes before."""
_SYNONYMS = {"pypi-url": "index-url", "default-timeout": "timeout"}
_SETTING = r"([^.]+)\.([^=]+)=('.*'|\".*\")"
"""A line of ``pip config list``: ``global.index-url='https://…'``."""
_SYSTEM_FILE = "/etc/pip.conf"
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Where requests, which pip uses, and OpenSSL look for certificates when pip itself is not configured to use any."""


def settings(
    environ: Mapping[str, str] | None = None, *, ask: bool = True
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the configuration of pip.

    Args:
        environ: the environment; by default this process's.
        ask: whether pip itself is asked. Its files are read otherwise, which takes a hundredth of the time.

    Returns:
        Variables of pip by name; and files by the name of the variable that names them.

    Raises:
        OptionError: pip cannot read its own configuration.
    """
    environ = os.environ if environ is None else environ
    logins = _logins(environ)
    variables: dict[str, str] = {}
    files: dict[str, str] = {}
    found = _asked(environ) if ask else None
    if found is None:
        found = _read_all(environ)
    for key, value in _settings(found, environ).items():
        name = f"PIP_{key.upper().replace('-', '_')}"
        if key in _PLAIN:
            variables[name] = value
        elif key in _FILES:
            files[name] = os.path.expanduser(value)
        elif key in _URLS:
            urls = [_with_login(url, logins) for url in value.split() if _is_remote(url)]
            if urls:
                variables[name] = " ".join(urls)
    return variables, files


def private_files(environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the paths of the files in which logins and keys for indexes stand, whether they are there or not."""
    environ = os.environ if environ is None else environ
    yield from _config_files(environ)
    yield from _user_files(environ)
    yield from _netrc_files(environ)
    # pip is not asked: that takes longer than all else that is decided, and it may fail.
    for read in (_read_all(environ), _read_files(_user_files(environ))):
        for key, value in _settings(read, environ).items():
            if key in _FILES:
                yield os.path.expanduser(value)


def _settings(found: Mapping[tuple[str, str], str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return all settings of ``pip install`` by their names in the files: a more special section goes first, whatever the file."""
    settings: dict[str, str] = {}
    for section in _SECTIONS:
        for (of, key), value in found.items():
            if of == section and value:
                settings[_SYNONYMS.get(key, key)] = value
    bundle = next((environ[name] for name in _CA_VARIABLES if environ.get(name)), "")
    if bundle:
        settings.setdefault("cert", bundle)
    return settings


def _asked(environ: Mapping[str, str]) -> dict[tuple[str, str], str] | None:
    """Ask pip for its settings, by section and name; ``None`` if this interpreter has no pip.

    Raises:
        OptionError: pip cannot read its own configuration.
    """
    done = subprocess.run(  # -P: without the modules of the current directory
        [sys.executable, "-P", "-m", "pip", "config", "list"],
        env={**environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        if re.search(r"No module named '?pip\b", done.stderr):
            return None
        reason = " ".join(done.stderr.split()) or f"it ended with status {done.returncode}"
        raise OptionError(
            "package.secrets: pip on this host cannot read its configuration:"
            f" {without_password(reason)}",
            hint=f"`{sys.executable} -m pip config debug` lists its files.",
        )
    found = {}
    for line in done.stdout.splitlines():
        if match := re.fullmatch(_SETTING, line):
            found[match[1], match[2]] = str(literal_eval(match[3]))
    return found


def _read_all(environ: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Read pip's files and variables; of two files that set the same name in the same section the later one counts."""
    found = _read_files(_config_files(environ))
    for name, value in environ.items():
        if name.startswith("PIP_"):
            found[_ENVIRONMENT, name[4:].lower().replace("_", "-")] = value
    return found


def _read_files(paths: Iterable[str]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for path in paths:
        found |= _read(path)
    return found


def _config_files(environ: Mapping[str, str]) -> Iterator[str]:
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep):
        yield f"{folder}/pip/pip.conf"
    yield _SYSTEM_FILE
    if not (named and os.path.exists(named)):
        yield from _user_files(environ)
    yield f"{sys.prefix}/pip.conf"
    if named:
        yield named


def _user_files(environ: Mapping[str, str]) -> Iterator[str]:
    home = environ.get("HOME") or os.path.expanduser("~")
    yield f"{home}/.pip/pip.conf"
    yield f"{environ.get('XDG_CONFIG_HOME') or f'{home}/.config'}/pip/pip.conf"


def _read(path: str) -> dict[tuple[str, str], str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_file(path).decode())
    except (OSError, UnicodeError, configparser.Error):
        return {}  # not there; and pip itself will say what is wrong with one that is
    return {
        (section, key.replace("_", "-").removeprefix("--")): value
        for section in parser.sections()
        for key, value in parser.items(section)
        if value
    }


def _is_remote(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _netrc_files(environ: Mapping[str, str]) -> list[str]:
    home = environ.get("HOME") or os.path.expanduser("~")
    return [environ["NETRC"]] if environ.get("NETRC") else [f"{home}/.netrc", f"{home}/_netrc"]


def _logins(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return user and password by host, from the netrc file that requests reads."""
    import netrc

    for path in _netrc_files(environ):
        try:
            hosts = netrc.netrc(path).hosts
        except (OSError, UnicodeError, netrc.NetrcParseError):
            continue
        return {host: (login, password) for host, (login, _, password) in hosts.items() if password}
    return {}


def _with_login(url: str, logins: Mapping[str, tuple[str, str]]) -> str:
    """Put the login for an index's host into its URL; pip hides it in its output."""
    parts = urlsplit(url)
    try:
        host = parts.hostname or ""
    except ValueError:
        return url
    if "@" in parts.netloc or host not in logins:
        return url
    user, password = logins[host]
    netloc = f"{quote(user or '', safe='')}:{quote(password, safe='')}@{parts.netloc}"
    return urlunsplit(parts._replace(netloc=netloc))
