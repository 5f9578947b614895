"""The Containerfile: from the template ``Containerfile.j2`` and validated values, one text for all engines.

What users give reaches the text only through the two filters below: ``json`` for exec forms, ``copy`` for the
words of a COPY, which engines expand even in their JSON form (Dockerfile reference, "Environment replacement").
"""

from __future__ import annotations

import json
import os
import re
import shlex
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr._version import __version__
from buildr.labels import PROJECT, VERSION
from buildr.layout import APP, DEPENDENCIES_ROOT, ENTRYPOINT, GUEST_ROOT, MARKERS, USER_ID

if TYPE_CHECKING:
    from buildr.engines.records import Image


_REMOVE = (
    "import os,shutil,sys;"
    "[shutil.rmtree(p) if os.path.isdir(p) and not os.path.islink(p) else os.remove(p) for p in sys.argv[1:]]"
)
_ROOT = "# hadolint ignore=DL3002\nUSER 0:0\n"  # whatever user a base names
PIP = "python -m pip install --no-cache-dir --disable-pip-version-check"
"""How a step begins that installs packages, after variables."""
PIP_VARIABLES = {"PIP_ROOT_USER_ACTION": "ignore", "PIP_BREAK_SYSTEM_PACKAGES": "1"}
"""Tell pip that the image is nobody else's: https://peps.python.org/pep-0668/."""
_PYTHON = (
    # Debian's and Ubuntu's packages have no `python`.
    '{ command -v python || ! command -v python3 || ln -s "$(command -v python3)" /usr/local/bin/python; } > /dev/null'
)
_PLAIN_USER = r"[\w.-]+(?::[\w.-]+)?"  # of USER, where it can stand in a COPY as well


class CopiedFile(Struct, frozen=True, kw_only=True):
    """An additional file: from a fixed name in the build to a path in the image."""

    source: str
    """A directory of the build, ``files/0/``, or ``files/0/*`` for the one file in it."""
    destination: str


class Recipe(Struct, frozen=True, kw_only=True):
    """All that decides a generated Containerfile."""

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
    """The same for a second call."""
    debugger: tuple[str, ...] = ()
    """The same for a call that installs the debugger, if it is wanted."""
    local: tuple[str, ...] = ()
    """The same for a call after the source has been copied."""
    versions: tuple[tuple[str, str], ...] = ()
    """Variables of these calls, with plain values: versions that projects take from Git otherwise."""
    dependencies_source: str = ""
    """Where all that is written down, for people."""
    source_first: bool = False
    """Whether a requirement points into the source."""
    system_packages: tuple[str, ...] = ()
    """Names for the package manager of the base image, validated."""
    roots: tuple[str, ...] = ()
    """Absolute folders to import from, beside the script's own; their names are plain."""
    files: tuple[CopiedFile, ...] = ()
    mounted: bool = False
    """Whether the source is mounted when the image runs, and so is not part of it."""
    on_ground: bool = False
    """Whether the base image has all that `render_ground` describes already."""

    @property
    def installs(self) -> tuple[tuple[str, ...], ...]:
        """The arguments of all calls of pip, in their order."""
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
    """Return the Containerfile of an image with all that comes before the dependencies: the beginning of the whole one."""
    return _render(recipe, ground=True)


def _render(recipe: Recipe, *, ground: bool) -> str:
    from jinja2 import Environment, StrictUndefined

    # No HTML here, so no escaping of it; the filters do what a Containerfile needs.
    environment = Environment(  # noqa: S701 - see above
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"json": _json, "copy": _copy}
    template = environment.from_string(template_text())
    return template.render(
        version=__version__,
        project=recipe.project,
        base_image=recipe.base_image,
        pip=" ".join((*(f"{k}={v}" for k, v in (*PIP_VARIABLES.items(), *recipe.versions)), PIP)),
        python=_PYTHON,
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
        system_packages=_system_packages(recipe.system_packages) if recipe.system_packages else "",
        dependencies_source=_comment(recipe.dependencies_source),
        install=[shlex.join(words) for words in (recipe.install, recipe.unhashed) if words],
        debugger=shlex.join(recipe.debugger),
        local=shlex.join(recipe.local),
        import_path=":".join((*recipe.roots, GUEST_ROOT)),
        files=recipe.files,
        entrypoint=ENTRYPOINT,
        command=recipe.command,
    )


def source_step(user: str) -> str:
    """Return the instruction that a rendered text copies the source with, for an image's history."""
    return f'COPY --chown={user}:0 ["context/", "{APP}/"]'


def identity(recipe: Recipe) -> str:
    """Return a text that differs whenever the rendered one would; rendering costs an import on every run."""
    packages = _system_packages(recipe.system_packages) if recipe.system_packages else ""
    return f"{recipe!r}\n{packages}\n{template_text()}"


def render_marker_stage(
    image: Image,
    project: str,
    command: tuple[str, ...],
    files: tuple[CopiedFile, ...] = (),
    *,
    user: str | None = None,
) -> str:
    """Return the stage that makes an image built from the user's own Containerfile one of ours.

    Args:
        image: that image.
        project: the project's key.
        command: what to run: its own CMD, or the script.
        files: additional files; they belong to the image's own user.
        user: in place of its own.
    """
    markers = " ".join(f'{name}="{value}"' for name, value in MARKERS.items())
    owner = user or (image.user if re.fullmatch(_PLAIN_USER, image.user, re.ASCII) else "0")
    if ":" not in owner:
        owner += ":0"  # an engine may want a group of the same name otherwise
    copies = "".join(
        f"COPY --chown={owner} {_copy([file.source, file.destination])}\n" for file in files
    )
    return (
        f"# Generated by Buildr {__version__}: the guest part on top of an image of your own.\n"
        "# hadolint ignore=DL3006\n"
        f"FROM {image.id}\n"
        f"LABEL {PROJECT}={_json(project)} {VERSION}={_json(__version__)}\n"
        f"ENV {markers} \\\n"
        f'    PYTHONPATH="${{PYTHONPATH:+${{PYTHONPATH}}:}}{GUEST_ROOT}"\n'
        f'COPY ["guest/", "{GUEST_ROOT}/"]\n'
        f"{copies}"
        + (f"# hadolint ignore=DL3002\nUSER {user}\n" if user else "")
        + f"ENTRYPOINT {_json((*ENTRYPOINT, *image.entrypoint))}\n"
        f"CMD {_json(command)}\n"
    )


def render_growth(image: str, user: str, removed: tuple[str, ...], *, put: bool) -> str:
    """Return the Containerfile that makes a newer image of a context from an older one.

    Args:
        image: the older one's id.
        user: as in the recipe.
        removed: paths of the context to remove first.
        put: whether anything of the context is then put.

    Raises:
        UnicodeEncodeError: a path is no UTF-8.
    """
    lines = [
        f"# Generated by Buildr {__version__}: what has changed, on top of an image.",
        f"FROM {image}",
    ]
    if removed:
        command = ("python", "-IS", "-c", _REMOVE, *(f"/app/{path}" for path in removed))
        lines += ["USER 0:0", f"RUN {_json(command)}", f"USER {user}:0"]
    if put:
        lines.append(source_step(user))
    text = "\n".join(lines) + "\n"
    text.encode()
    return text


def render_dependencies(base: Image, label: str, *, removed: bool) -> str:
    """Return the Containerfile of an image that adds what was installed elsewhere.

    Args:
        base: the image that it was installed on.
        label: in the form of a LABEL.
        removed: whether ``removed`` in the build lists paths that the installation has removed.
    """
    place = f"{DEPENDENCIES_ROOT}/removed"
    return (
        f"# Generated by Buildr {__version__}: dependencies that were installed in a container.\n"
        "# hadolint ignore=DL3006\n"
        f"FROM {base.id}\n"
        f"LABEL {label}\n"
        + (
            f'{_ROOT}COPY ["removed", "{place}"]\nRUN xargs -0 rm -rf -- < {place} && rm -f {place}\n'
            if removed
            else ""
        )
        + 'ADD ["installed.tar", "/"]\n'
    )


def render_system_packages(base: Image, names: tuple[str, ...]) -> str:
    """Return the Containerfile of an image that adds packages of the system, for what is installed elsewhere on it."""
    return (
        f"# Generated by Buildr {__version__}: packages of the system.\n"
        f"# hadolint ignore=DL3006\nFROM {base.id}\n{_ROOT}{_system_packages(names)}\n"
    )


def _system_packages(names: tuple[str, ...]) -> str:
    words = shlex.join(names)
    return (
        "# One text for Alpine and Debian. Versions are for who names the packages to give: curl=8.5.0-r0.\n"
        "# hadolint ignore=DL3008,DL3018\n"
        f"RUN if command -v apk > /dev/null; then apk add --no-cache {words}; \\\n"
        "    elif command -v apt-get > /dev/null; then apt-get update &&"
        f" DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {words} &&"
        " rm -rf /var/lib/apt/lists/*; \\\n"
        "    else echo 'system_packages: the base image has neither apk nor apt-get' >&2; exit 1; fi \\\n"
        f"    && {_PYTHON}"
    )


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


def _json(value: object) -> str:
    r"""Write JSON with printable characters as they are, and a backslash as ``\u005c``.

    Engines read all forms; hadolint takes ``"\\"``, and in a COPY most ``\u`` escapes, for no JSON at all.
    """
    text = json.dumps(value, ensure_ascii=False).replace("\\\\", "\\u005c")
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _comment(text: str) -> str:
    """Write a text so that it stays in the line of a comment."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _copy(words: list[str]) -> str:
    """Write the words of a COPY so that the engine's expansion gives them back."""
    return _json(["".join(f"\\{c}" if c in "\\$'\"" else c for c in word) for word in words])
