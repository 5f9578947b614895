"""Devices of the host: ``"/dev/fuse"``, ``"vendor.com/class=name"``; and GPUs, which engines name each in its own way."""

from __future__ import annotations

import re

from buildr.options.errors import InvalidValueError
from buildr.options.values import each, matching, text, typed

__all__ = ["Gpus", "devices", "gpus", "parts"]

Gpus = int | tuple[str, ...]
"""How many, -1 for all; or which ones, by number or UUID."""

_CDI = r"[a-zA-Z0-9][a-zA-Z0-9_.-]*/[a-zA-Z0-9][a-zA-Z0-9_.-]*=[a-zA-Z0-9][a-zA-Z0-9_.:-]*"
"""A name of the Container Device Interface, https://github.com/cncf-tags/container-device-interface, "SPEC.md"."""
_PATH = r"(?P<host>/dev/[^:,]+)(?::(?P<container>/[^:,]+))?(?::(?P<access>r?w?m?))?"
_DEVICE = (
    '"/dev/fuse", "/dev/host:/dev/container:rwm", or a CDI name such as "vendor.com/class=name"'
)
_DEVICES = f"a list of devices; each {_DEVICE}"
_GPUS = '"all", a number (1 or more), "device=0,1", or a list of numbers and UUIDs'
_GPU = 'the number of a GPU or its UUID, "0"'
_GPU_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9_.:-]*"


def devices(value: object) -> tuple[str, ...]:
    """Read the option ``devices``.

    Raises:
        InvalidValueError: it is not a list of devices.
    """
    return tuple(each(value, _device, _DEVICES))


def _device(value: object) -> str:
    found = text(value, _DEVICE)
    path = re.fullmatch(_PATH, found)
    if not path and not re.fullmatch(_CDI, found, re.ASCII):
        raise InvalidValueError(value, _DEVICE)
    if path and ".." in found.split("/"):
        raise InvalidValueError(value, _DEVICE, problem="it contains '..'")
    if found.endswith(":"):
        raise InvalidValueError(value, _DEVICE, problem="nothing follows the last colon")
    return found


def parts(device: str) -> tuple[str, str, str]:
    """Return the path of a device on the host, that in the container, and the access: ``r``, ``w``, ``m`` (make nodes).

    Args:
        device: of `devices`, no CDI name.
    """
    host, _, rest = device.partition(":")
    container, _, access = rest.partition(":")
    if container and not container.startswith("/"):  # only the access
        container, access = "", container
    return host, container or host, access or "rwm"


def gpus(value: object) -> Gpus:
    """Read the option ``gpus``.

    Raises:
        InvalidValueError: it is neither a number of GPUs nor a list.
    """
    if isinstance(value, str):
        words = text(value, _GPUS)
        if words == "all":
            return -1
        if words.startswith("device="):
            value = words.removeprefix("device=").split(",")
        elif words.isascii() and words.isdecimal():
            value = int(words)
        else:
            raise InvalidValueError(value, _GPUS)
    if isinstance(value, (list, tuple, set)):
        found = tuple(each(value, _gpu, _GPUS))
        if not found:
            raise InvalidValueError(value, _GPUS, problem="it names none")
        return found
    count = typed(value, int, _GPUS)
    if count < 1 and count != -1:
        raise InvalidValueError(value, _GPUS)
    return count


def _gpu(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return matching(value, _GPU_PATTERN, _GPU)
