"""Engines over plain TCP: the traffic is not encrypted, and the engine is not authenticated.

The latter also applies to 127.0.0.1: while no engine is running, any user of the machine can listen on its port.
Docker's daemon also requires a flag for plain TCP at any address:
https://docs.docker.com/engine/security/protect-access/.
"""

from __future__ import annotations

import os
from typing import Final

from buildr.errors import OptionError

__all__ = ["FLAG", "VARIABLE", "allow_plaintext", "refuse_plaintext"]

VARIABLE: Final = "BUILDR_INSECURE_ENGINE"
FLAG: Final = "--insecure-engine"
_YES: Final = ("1", "true")


def allow_plaintext() -> None:
    """Allow secrets over plain TCP, for the flag."""
    os.environ[VARIABLE] = _YES[0]


def refuse_plaintext(url: str, what: str) -> None:
    """Refuse to send a secret over plain TCP.

    Args:
        url: the URL of the engine.
        what: the secret in question, such as ``the build secrets``.

    Raises:
        OptionError: the user has not allowed it.
    """
    if os.environ.get(VARIABLE, "").lower() in _YES:
        return
    raise OptionError(
        f"{url} is plain TCP: {what} would travel there in clear, to whatever listens",
        hint="Use TLS (DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or a context with TLS), or reach it by ssh:"
        " DOCKER_HOST=ssh://user@host."
        f" To send them all the same: {FLAG}, or {VARIABLE}=1.",
    )
