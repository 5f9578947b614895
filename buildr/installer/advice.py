"""What to do when pip fails in the image: said after pip's own words, whatever they were.

pip's words are its own and change; why it failed is left to them.
"""

from __future__ import annotations

from buildr.errors import BuildError
from buildr.plan.containerfile import PIP

ADVICE = (
    "Is the name right? A package without a wheel for the image's Python and C library is compiled there: most have\n"
    'one for Debian (variant="slim" in package). Else name another version of it, or of Python (py_version), or\n'
    "what it takes to compile it (system_packages)."
)


def advised(error: BuildError) -> BuildError:
    """Return a build's error with the advice, if the step that failed is ours for pip."""
    if PIP not in error.step:
        return error
    return BuildError(error.what, step=error.step, hint=f"{error.hint}\n{ADVICE}".lstrip("\n"))
