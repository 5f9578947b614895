"""What pip is told on this host about where packages come from: the secret ``pip``.

pip's own order (https://pip.pypa.io/en/stable/topics/configuration/): the files of the system, of the user, of the
environment, the file that ``PIP_CONFIG_FILE`` names, then variables. Only what concerns the way to an index is taken; a
folder of this host, a target or a log file would mean nothing in a container.
"""

from __future__ import annotations

import configparser
import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_URLS = ("index-url", "extra-index-url", "find-links")
_FILES = ("cert", "client-cert")
_PLAIN = (
    "trusted-host",
    "proxy",
    "retries",
    "timeout",
    "default-timeout",
    "no-index",
    "keyring-provider",
)
_SYSTEM_FILE = "/etc/pip.conf"
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Where requests, which pip uses, and OpenSSL look for certificates when pip itself is told of none."""


def settings(environ: Mapping[str, str] | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """Return what pip is told.

    Args:
        environ: the environment; by default this process's.

    Returns:
        Variables of pip by name; and files by the name of the variable that names them.
    """
    environ = os.environ if environ is None else environ
    logins = _logins(environ)
    variables: dict[str, str] = {}
    files: dict[str, str] = {}
    for key, value in _told(environ).items():
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


def _told(environ: Mapping[str, str]) -> dict[str, str]:
    """Return all settings by the names that the files have for them."""
    found: dict[str, str] = {}
    for path in _config_files(environ):
        found |= _read(path)
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            found[name[4:].lower().replace("_", "-")] = value
    bundle = next((environ[name] for name in _CA_VARIABLES if environ.get(name)), "")
    if bundle:
        found.setdefault("cert", bundle)
    return found


def _config_files(environ: Mapping[str, str]) -> Iterator[str]:
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep):
        yield f"{folder}/pip/pip.conf"
    yield _SYSTEM_FILE
    home = environ.get("HOME") or os.path.expanduser("~")
    yield f"{home}/.pip/pip.conf"
    yield f"{environ.get('XDG_CONFIG_HOME') or f'{home}/.config'}/pip/pip.conf"
    yield f"{sys.prefix}/pip.conf"
    if named:
        yield named


def _read(path: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, UnicodeError, configparser.Error):
        return {}  # not there; and pip itself will say what is wrong with one that is
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found |= {key.replace("_", "-"): value for key, value in parser.items(section) if value}
    return found


def _is_remote(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _logins(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return user and password by host, from the netrc file that requests reads."""
    import netrc

    home = environ.get("HOME") or os.path.expanduser("~")
    paths = [environ["NETRC"]] if environ.get("NETRC") else [f"{home}/.netrc", f"{home}/_netrc"]
    for path in paths:
        try:
            hosts = netrc.netrc(path).hosts
        except (OSError, UnicodeError, netrc.NetrcParseError):
            continue
        return {host: (login, password) for host, (login, _, password) in hosts.items() if password}
    return {}


def _with_login(url: str, logins: Mapping[str, tuple[str, str]]) -> str:
    """Put the login for an index's host into its URL; pip hides it in all that it says."""
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
