"""An engine's refusal to create or start a container, as an error that says what to do.

Engines report the reason only as text. It is parsed here and nowhere else, and becomes an error with a class and a
hint.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildr.errors import CommandNotFoundError, ContainerError, NotExecutableError, StartError

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.errors import EngineError

_IN_USE = "already allocated|address already in use|failed to bind port|listen failed for host"
"""A port of the host is taken: in the words of dockerd, Go's network library, and pasta."""


def start_error(error: EngineError, status: int | None) -> ContainerError:
    """Return the error for a container that cannot start.

    Args:
        error: the engine's refusal.
        status: 126 or 127 if the command is the cause.
    """
    if status == CommandNotFoundError.exit_code:
        return CommandNotFoundError(
            f"the container's command was not found: {error.message}",
            hint="Buildr needs `python` or `python3` on the image's PATH. Check base_image or dockerfile; Debian's own Python"
            ' is system_packages=["python3", "python3-pip"] in package.',
        )
    # Podman reports this as 126 as well, though the command is not at fault.
    if status == NotExecutableError.exit_code and not is_limit(error):
        return NotExecutableError(f"the container's command cannot be executed: {error.message}")
    what = f"the container cannot start: {error.message}"
    if re.search(_IN_USE, error.message, re.IGNORECASE):
        hint = "Another program holds that port: choose another host port, or 0 for a free one."
        return ContainerError(what, hint=hint)
    return StartError(what, hint=hint_of(error))


def create_hint(spec: ContainerSpec, error: EngineError) -> str:
    """Say what to do about a container that the engine refuses to create."""
    if spec.name and error.status in (409, 500) and spec.name in error.message:
        return f"Is there another container named {spec.name}? Remove it, or leave `name` out."
    return hint_of(error)


def is_limit(error: EngineError) -> bool:
    """Whether a limit of processes could not be set, in the words of runc or crun."""
    return "setting rlimit" in error.message or "setrlimit" in error.message


def hint_of(error: EngineError) -> str:
    """Say what to do about a network, device, limit or log that is not available: engines notice some at creation, some at start."""
    import re

    if "could not select device driver" in error.message:
        return (
            "Docker provides GPUs through the NVIDIA Container Toolkit: install nvidia-container-toolkit, run"
            " `sudo nvidia-ctk runtime configure --runtime=docker`, and restart Docker. Other names of devices"
            " (vendor.com/class=name) need Docker 25 or newer with CDI."
        )
    if re.search(r"unresolvable CDI device|CDI device injection failed", error.message):
        return (
            "A device with such a name needs a specification in /etc/cdi or /var/run/cdi. For NVIDIA's:"
            " `sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`; `nvidia-ctk cdi list` shows the names."
        )
    if is_limit(error):
        return (
            "The engine may not raise the limit that far: a rootless one cannot exceed your own hard limits,"
            " which `ulimit -H -a` shows. Lower the one in `ulimits`, or the `default_ulimits` of containers.conf."
        )
    if re.search(r"network .*not found", error.message):
        return (
            "Create the network with `podman network create` or `docker network create`, or name one that"
            " `network ls` lists."
        )
    if "passthrough" in error.message or "attach socket" in error.message:  # newer versions; 4.3
        return (
            "Is `log_driver` in containers.conf `passthrough`? Then the output of containers cannot be read: choose"
            " `k8s-file`, `journald` or `none`."
        )
    return ""
