"""Text of Containerfiles: quoting of users' values, and the step for system packages.

Values of users reach a Containerfile only through `json_form`, for exec forms, and `copy_form`, for the words of a
COPY, which engines expand even in JSON form (Dockerfile reference, "Environment replacement").
"""

from __future__ import annotations

import json
import shlex

PYTHON = (
    # Debian's and Ubuntu's packages have no `python`.
    '{ command -v python || ! command -v python3 || ln -s "$(command -v python3)" /usr/local/bin/python; } > /dev/null'
)
"""Makes sure that an image has `python`."""


def system_packages(names: tuple[str, ...]) -> str:
    """Return the step that installs system packages."""
    words = shlex.join(names)
    return (
        "# One text for Alpine and Debian. A version is part of a name, where one is wanted: curl=8.5.0-r0.\n"
        "# hadolint ignore=DL3008,DL3018\n"
        f"RUN if command -v apk > /dev/null; then apk add --no-cache {words}; \\\n"
        "    elif command -v apt-get > /dev/null; then apt-get update &&"
        f" DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {words} &&"
        " rm -rf /var/lib/apt/lists/*; \\\n"
        "    else echo 'system_packages: the base image has neither apk nor apt-get' >&2; exit 1; fi \\\n"
        f"    && {PYTHON}"
    )


def json_form(value: object) -> str:
    r"""Write JSON with printable characters as they are, and a backslash as ``\u005c``.

    Engines read all forms; hadolint takes ``"\\"``, and in a COPY most ``\u`` escapes, for no JSON at all.
    """
    text = json.dumps(value, ensure_ascii=False).replace("\\\\", "\\u005c")
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def comment_form(text: str) -> str:
    """Write text for a comment, on one line."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def copy_form(words: list[str]) -> str:
    """Write the words of a COPY so that the engine's expansion does not change them."""
    return json_form(["".join(f"\\{c}" if c in "\\$'\"" else c for c in word) for word in words])
