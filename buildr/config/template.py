"""What ``buildr init`` writes: ``[tool.buildr]`` with its common options as comments, at the end of ``pyproject.toml``."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from buildr.config.project_file import FILE
from buildr.errors import OptionError
from buildr.host.files import read_file

__all__ = ["TEMPLATE", "write_template"]

TEMPLATE = """\
# How Buildr runs this project. Remove a # to set an option; `buildr config` shows all options.
[tool.buildr]
# backend = "podman"  # or "docker"; by default Podman, else Docker

[tool.buildr.package]  # the image
# py_version = "3.12"  # by default what the project asks for
# variant = "slim"  # of the official Python image; by default "alpine"
# base_image = "registry.example.org/base:1"  # in place of the two above
# dependencies_file = "requirements.txt"  # by default the first that is found
# extras = ["cli"]
# groups = ["dev"]
# system_packages = ["git"]  # by apk or apt
# additional_files = [{ src = "settings.toml", dest = "/etc/app/settings.toml", mode = "0440" }]
# secrets = ["pip"]  # what the installation may see, and the image does not
# repository = "registry.example.org/me"  # where `buildr push` puts the image
# name = "hello"  # by default the script's
# tag = "latest"

[tool.buildr.runtime]  # the container
# ports = [8080, "5353:53/udp", "0:9000"]  # on 127.0.0.1; 0: a free port
# env = ["MODE=test", "TOKEN"]  # without a value: that of the host
# mounts = ["./data:/data", "cache:/cache:ro"]  # paths start at this file
# cpus = 1.5
# memory = "512m"
# grace_seconds = 10  # from Ctrl+C until it is killed
# hardened = true  # no capabilities, read-only root
"""


def write_template(directory: str) -> bool:
    """Write the template; an existing file keeps its contents, byte for byte.

    Args:
        directory: of the project.

    Returns:
        Whether the file is new.

    Raises:
        OptionError: the file has such a table, is not valid TOML, or cannot be written; it is left unchanged.
    """
    path = os.path.join(directory, FILE)
    try:
        there = read_file(path)
    except FileNotFoundError:
        there = None
    except OSError as error:
        raise _unwritable(path, error) from None
    added = TEMPLATE if there is None else _addition(there, path)
    try:
        with open(path, "xb" if there is None else "ab", buffering=0) as file:
            try:
                left = added.encode()
                while left:
                    left = left[file.write(left) :]
            except OSError:  # a full disk: half a table would be invalid
                with contextlib.suppress(OSError):
                    os.truncate(path, len(there or b""))
                raise
    except OSError as error:
        raise _unwritable(path, error) from None
    return there is None


def _addition(there: bytes, path: str) -> str:
    """Return what is appended to an existing file, with its line endings.

    Raises:
        OptionError: it has such a table, or is not valid TOML.
    """
    found = _parsed(there, path)
    if "buildr" in found.get("tool", {}):
        raise OptionError(
            f"{path} has [tool.buildr] already; nothing was written",
            hint="`buildr config` shows all options.",
        )
    separator = "" if not there else "\n" if there.endswith(b"\n") else "\n\n"
    added = separator + TEMPLATE
    if b"\r\n" in there:
        added = added.replace("\n", "\r\n")
    _parsed(there + added.encode(), path)  # a table [tool] on one line takes no more
    return added


def _parsed(data: bytes, path: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise OptionError(
            f"[tool.buildr] cannot be added to {path}: {error}; nothing was written",
            hint="Fix the file, or write the table yourself.",
        ) from None


def _unwritable(path: str, error: OSError) -> OptionError:
    return OptionError(
        f"{path} cannot be written: {error.strerror}",
        hint="Make it writable for you, or name another directory.",
    )
