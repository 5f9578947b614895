"""Renders the Containerfile from the template ``Containerfile.j2`` and validated values, the same for all engines.

Values of users reach the text only through the filters ``json`` and ``copy``: see `buildr.plan.containerfile_text`.
"""

from __future__ import annotations

import os
import shlex

from msgspec import Struct

from buildr._version import __version__
from buildr.layout import APP, DEPENDENCIES_ROOT, ENTRYPOINT, GUEST_ROOT, USER_ID
from buildr.plan.containerfile_text import (
    PYTHON,
    comment_form,
    copy_form,
    json_form,
    system_packages,
)

PIP = "python -m pip install --no-cache-dir --disable-pip-version-check"
"""The beginning of a step that installs packages, after variables."""
PIP_VARIABLES = {
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    # Before 3.11, the order of constant sets in bytecode depends on it: https://github.com/python/cpython/issues/81777
    "PYTHONHASHSEED": "0",
}
"""Let pip install as root into the base's Python (https://peps.python.org/pep-0668/), and write the same bytecode every time."""


class CopiedFile(Struct, frozen=True, kw_only=True):
    """An additional file, with a fixed name in the build and its path in the image."""

    source: str
    """A directory of the build, ``files/0/``, or ``files/0/*`` for the one file in it."""
    destination: str


class Recipe(Struct, frozen=True, kw_only=True):
    """Everything that decides a generated Containerfile."""

    project: str
    """The project's key, by which its images are found."""
    base_image: str
    """A full reference, validated."""
    command: tuple[str, ...]
    user: str = str(USER_ID)
    """A uid or a user's name."""
    install: tuple[str, ...] = ()
    """Arguments of ``pip install``; empty: nothing is installed."""
    unhashed: tuple[str, ...] = ()
    """Arguments of a second call of pip, without hashes."""
    debugger: tuple[str, ...] = ()
    """Arguments of the call that installs the debugger, if one is wanted."""
    local: tuple[str, ...] = ()
    """Arguments of a call of pip after the source has been copied."""
    versions: tuple[tuple[str, str], ...] = ()
    """Variables of these calls, with plain values: versions that projects would otherwise take from Git."""
    dependencies_source: str = ""
    """The source of the dependencies, for users."""
    source_first: bool = False
    """Whether a requirement points into the source."""
    system_packages: tuple[str, ...] = ()
    """Names for the package manager of the base image, validated."""
    roots: tuple[str, ...] = ()
    """Absolute folders to import from, beside the script's own; their names are plain."""
    files: tuple[CopiedFile, ...] = ()
    mounted: bool = False
    """Whether the source is mounted at run time, and not part of the image."""
    on_ground: bool = False
    """Whether the base image already has everything of `render_ground`."""

    @property
    def installs(self) -> tuple[tuple[str, ...], ...]:
        """The arguments of all calls of pip, in order."""
        calls = (self.install, self.unhashed, self.debugger, self.local)
        return tuple(words for words in calls if words)

    @property
    def home(self) -> str:
        """The home directory in the image."""
        return "/root" if self.user in ("0", "root") else "/home/app"


def render(recipe: Recipe) -> str:
    """Return the Containerfile's text."""
    return _render(recipe, ground=False)


def render_ground(recipe: Recipe) -> str:
    """Return the beginning of the Containerfile, with everything before the dependencies."""
    return _render(recipe, ground=True)


def _render(recipe: Recipe, *, ground: bool) -> str:
    from jinja2 import Environment, StrictUndefined

    # No HTML here, so no escaping of it; the filters do what a Containerfile needs.
    environment = Environment(  # noqa: S701 - see above
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"json": json_form, "copy": copy_form}
    template = environment.from_string(template_text())
    return template.render(
        version=__version__,
        project=recipe.project,
        base_image=recipe.base_image,
        pip=" ".join((*(f"{k}={v}" for k, v in (*PIP_VARIABLES.items(), *recipe.versions)), PIP)),
        python=PYTHON,
        untagged=":" not in recipe.base_image.rpartition("/")[2]
        or recipe.base_image.endswith(":latest"),
        guest_root=GUEST_ROOT,
        dependencies_root=DEPENDENCIES_ROOT,
        home=recipe.home,
        user=recipe.user,
        source_first=recipe.source_first,
        mounted=recipe.mounted,
        ground=ground,
        on_ground=recipe.on_ground,
        system_packages=system_packages(recipe.system_packages) if recipe.system_packages else "",
        dependencies_source=comment_form(recipe.dependencies_source),
        install=[shlex.join(words) for words in (recipe.install, recipe.unhashed) if words],
        debugger=shlex.join(recipe.debugger),
        local=shlex.join(recipe.local),
        import_path=":".join((*recipe.roots, GUEST_ROOT)),
        files=recipe.files,
        entrypoint=ENTRYPOINT,
        command=recipe.command,
    )


def source_step(user: str) -> str:
    """Return the instruction that copies the source, for an image's history."""
    return f'COPY --chown={user}:0 ["context/", "{APP}/"]'


def identity(recipe: Recipe) -> str:
    """Return a text that changes with the rendered one; rendering itself would cost an import on every run."""
    packages = system_packages(recipe.system_packages) if recipe.system_packages else ""
    return f"{recipe!r}\n{packages}\n{template_text()}"


def template_text() -> str:
    """Return the template: from the package, or from beside it in a checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for directory in (package, os.path.dirname(package)):
        try:
            with open(f"{directory}/Containerfile.j2", encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            continue
    raise FileNotFoundError("Containerfile.j2 is missing from Buildr's installation")
