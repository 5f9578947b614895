"""Engines over plain TCP: everything travels in clear, and nothing proves that it is the engine that listens.

The latter holds for 127.0.0.1, too: while no engine runs, any user of the machine may listen on its port. Docker's daemon likewise wants
a word for plain TCP at any address: https://docs.docker.com/engine/security/protect-access/.
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
    """Allow secrets over plain TCP, as the flag says."""
    os.environ[VARIABLE] = _YES[0]


def refuse_plaintext(url: str, what: str) -> None:
    """Refuse to send a secret over plain TCP.

    Args:
        url: of the engine, to which nothing is encrypted.
        what: the secret that would be sent: ``the build secrets``.

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
