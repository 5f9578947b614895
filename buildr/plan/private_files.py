"""Files that never travel, since an option or a variable of this host names them for secrets."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from buildr.options.secrets import HOST_PIP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildr.options import Package

__all__ = ["identities", "private_files"]

_VARIABLES = (
    *("PIP_CONFIG_FILE", "PIP_CLIENT_CERT", "NETRC", "REGISTRY_AUTH_FILE", "CONTAINER_SSHKEY", "KUBECONFIG"),
    *("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "PGPASSFILE", "VAULT_TOKEN_FILE"),
    *("NPM_CONFIG_USERCONFIG", "SOPS_AGE_KEY_FILE", "ANSIBLE_VAULT_PASSWORD_FILE", "BOTO_CONFIG"),
)  # fmt: skip
_TLS_FOLDER = "DOCKER_CERT_PATH"
_TLS_FILES = ("key.pem", "cert.pem", "ca.pem")


def private_files(package: Package, context: str, env_files: Iterable[str]) -> tuple[str, ...]:
    """Return the paths of such files, which need not exist.

    Args:
        package: the options.
        context: the base directory of relative paths of secrets.
        env_files: the files of the option ``env_file``, whose relative paths start at the current directory.
    """
    return tuple(dict.fromkeys(_paths(package, context, env_files)))


def _paths(package: Package, context: str, env_files: Iterable[str]) -> Iterator[str]:
    for secret in package.secrets:
        if secret.src is not None:
            yield os.path.abspath(os.path.join(context, os.path.expanduser(secret.src)))
        elif secret.id == HOST_PIP:
            from buildr.dependencies.pip_config import private_files as of_pip

            yield from map(os.path.abspath, of_pip())
    for path in env_files:
        yield os.path.abspath(os.path.expanduser(path))
    for name in _VARIABLES:
        for path in filter(None, os.environ.get(name, "").split(os.pathsep)):
            yield os.path.abspath(os.path.expanduser(path))
    if folder := os.environ.get(_TLS_FOLDER):
        yield from (os.path.abspath(os.path.join(folder, name)) for name in _TLS_FILES)


def identities(paths: Iterable[str]) -> frozenset[tuple[int, int]]:
    """Return device and inode of each existing file, which all its hard links share, and of links to it."""
    found = set()
    for path in paths:
        for follow in (True, False):
            with suppress(OSError, ValueError):
                status = os.stat(path, follow_symlinks=follow)
                found.add((status.st_dev, status.st_ino))
    return frozenset(found)
