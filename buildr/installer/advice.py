"""The reason of a failed installation, and advice that fits it.

pip's messages change; if none is recognized, its last error is the reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.errors import BuildError, Message, OptionName
from buildr.host.limits import ADVISED_CHARACTERS, LOG_LINES
from buildr.layout import DEPENDENCIES_ROOT
from buildr.options.errors import Setting
from buildr.plan.containerfile import PIP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.installer.known_failures import Failure
    from buildr.installer.missing_packages import Family

__all__ = ["ADVICE", "Advice", "advise", "advised", "plain"]

ADVICE = (
    "Is the name right? A package without a wheel for the image's Python and C library is compiled there: most have\n"
    'one for Debian (variant="slim" in package). Else name another version of it, or of Python (py_version), or\n'
    "what it takes to compile it (system_packages)."
)
"""Where nothing better is known."""
_SYSTEM = "command -v apk"
"""Part of the step that installs packages of the system."""
_NO_SHELL = r"stat /bin/sh: no such file|executable file `?/bin/sh`? not found|\"/bin/sh\": (?:no such file|executable file not found)"
"""As runc and crun say it."""
_ERROR = r"(?m)^\s*(?:ERROR|error|E): +(\S.*)$"
_UNHELPFUL = r"subprocess-exited|metadata-generation-failed|Failed to build installable|Could not build wheels|exit code"
_MISSING = r"find a version that satisfies the requirement ([^\n]+?)(?: \(from [^\n]*?)?\s*\(from versions: ([^)]*)\)"
_IGNORED = r"([^\s;:]+) Requires-Python ([^\s;]+)"
_VERSIONS = "(from versions: "
_NEWEST = 60  # characters at the end of that list, which may be long
_LONGEST = 300  # characters of a reason
# Control sequences of terminals: CSI (colours, the cursor) and OSC (titles, links), ECMA-48 5.4 and 5.6; other controls.
_CONTROLS = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
_ALPINE = r"alpine"
_DEBIAN = r"slim|bookworm|bullseye|buster|trixie|debian|ubuntu|jammy|noble|/library/python:[\d.]+$"


class Advice(Struct, frozen=True):
    """The reason of a failure, and advice."""

    reason: str
    """In one line; empty where nothing says it."""
    hint: str


def plain(text: str) -> str:
    """Return the output of a package's build as text of one line."""
    return re.sub(_CONTROLS, "", text)


def advise(log: str, base_image: str = "", *, system: bool = False) -> Advice:
    """Return why an installation failed.

    Args:
        log: the last lines of its output.
        base_image: the reference of the base image, by which its distribution may be known.
        system: whether system packages were installed, not Python packages.
    """
    lines = map(_short, plain(log).splitlines()[-LOG_LINES:])
    text = "\n".join(lines).replace(f"{DEPENDENCIES_ROOT}/", "")
    family = _family(base_image)
    from buildr.installer.known_failures import BEFORE_VERSIONS, BEHIND_VERSIONS

    found = (
        _of_known(text, BEFORE_VERSIONS, family)
        or _no_version(text, family)
        or _of_known(text, BEHIND_VERSIONS, family)
    )
    if found is not None:
        return found
    errors = [found for found in re.findall(_ERROR, text) if not re.search(_UNHELPFUL, found)]
    return Advice(errors[-1][:_LONGEST] if errors else "", "" if system else ADVICE)


def advised(error: BuildError, base_image: str = "") -> BuildError:
    """Return a build's error with the reason and the advice, if no shell is there, or the step that failed is one that installs.

    Args:
        error: with its step, and the last lines of the log as its hint.
        base_image: the reference of the base image.
    """
    if re.search(_NO_SHELL, f"{error.what}\n{error.hint}"):
        return BuildError(
            "the base image has no shell, and the steps of the build run in one",
            step=error.step,
            hint="Take another base image (base_image), or a Containerfile of your own (dockerfile), in which steps need none.",
        )
    system = _SYSTEM in error.step
    if PIP not in error.step and not system:
        return error
    found = advise(error.hint, base_image, system=system)
    what = "system_packages" if system else "dependencies"
    why = found.reason or error.what.rpartition("`: ")[2]
    shown = plain(error.hint)
    hint = Message(shown, "\n" if shown and found.hint else "", found.hint)
    return BuildError(f"{what} cannot be installed: {why}", step=error.step, hint=hint)


def _short(line: str) -> str:
    """Return the part of a line to search: a package's output must not make an expression slow."""
    head, mark, versions = line.partition(_VERSIONS)
    end = f"{mark}{versions.partition(')')[0][-_NEWEST:]})" if mark else ""
    return head[:ADVISED_CHARACTERS] + end


def _family(base_image: str) -> Family:
    name = base_image.rpartition("@")[0] or base_image
    if re.search(_ALPINE, name):
        return "alpine"
    return "debian" if re.search(_DEBIAN, name) else ""


def _of_known(text: str, known: Iterable[Failure], family: Family) -> Advice | None:
    for failure in known:
        if match := re.search(failure.pattern, text):
            named = next(filter(None, match.groups()), "a program")
            advice = failure.advice
            return Advice(
                failure.reason.replace("{}", named)[:_LONGEST],
                advice(match, family) if callable(advice) else advice,
            )
    return None


def _no_version(text: str, family: Family) -> Advice | None:
    """Return why pip found no version: the name, the version, or Python."""
    from buildr.installer.known_failures import PYTHON

    match = re.search(_MISSING, text)
    if match is None:
        return None
    wanted, listed = match[1].strip(), match[2].strip()
    ignored = re.findall(_IGNORED, text)
    for version, python in reversed(ignored):
        if listed == "none" or _holds(wanted, version):
            return Advice(
                f"{wanted} is not for the image's Python: version {version} needs Python {python}",
                Message("Take ", PYTHON, ", or another version of the package."),
            )
    if listed and listed != "none":
        newest = listed.split(",")[-1].strip()
        return Advice(
            f"there is no {wanted} for the image; the newest version is {newest}",
            "Ask for a version that there is. One with files for another Python or C library alone does not count.",
        )
    slim = Setting("package.variant", "slim")
    musl = Message(", and Alpine takes none for glibc (", slim, ")")
    return Advice(
        f"the index has no package {wanted} for the image",
        Message(
            "Check the name, and whether another index has it. A package may also have no file for the image's Python (",
            OptionName("package.py_version"),
            ")",
            "" if family == "debian" else musl,
            ".",
        ),
    )


def _holds(wanted: str, version: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(wanted).specifier.contains(version, prereleases=True)
    except (InvalidRequirement, ValueError):
        return False
