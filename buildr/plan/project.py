"""A project: the result of an entry and its package options, without an engine.

Everything here is derived from files and options, so that ``buildr containerfile`` needs no engine, and the
Containerfile is the same for all engines.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.dependencies import ProjectFiles, find_dependencies
from buildr.dependencies.requirement import note_repository
from buildr.dependencies.scm_version import scm_versions
from buildr.dependencies.unread import beside_script, unread
from buildr.layout import APP, DEPENDENCIES_ROOT, USER_ID
from buildr.options.reference import image_name_from, parse_reference
from buildr.plan.containerfile import CopiedFile, Recipe
from buildr.plan.placement import Placement, place
from buildr.plan.private_files import private_files
from buildr.plan.python_version import infer_python_version, python_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.dependencies import Dependencies
    from buildr.options import Package
    from buildr.plan.entry import Entry
    from buildr.plan.named_files import ExtraFile

BASE_IMAGE_VARIABLE = "BUILDR_BASE_IMAGE"
_DEFAULT_VARIANT = "alpine"
_DEFAULT_VERSION = "3"


class Project(Struct, frozen=True, kw_only=True):
    """Everything that determines an image, except for contents of files."""

    name: str
    """A name for users, such as ``hello``."""
    reference: str
    """The image's full reference."""
    local_name: str
    """The local name of this project's images, with a tag per fingerprint."""
    key: str
    """Identifies this project on this host, in labels."""
    placement: Placement
    package: Package
    recipe: Recipe
    dependencies: Dependencies | None
    files: tuple[ExtraFile, ...]
    dockerfile: str | None
    """The absolute path of the user's own Containerfile, if any."""
    notes: tuple[str, ...]
    """Notes for the user before a build, a line each."""
    private: tuple[str, ...] = ()
    """The absolute paths of files that never travel: see `buildr.plan.private_files`."""
    env_files: tuple[str, ...] = ()
    """Those of them that the option ``env_file`` names."""

    @property
    def script(self) -> str:
        """The script, relative to the context; empty for a module."""
        *options, path = self.placement.command
        if "-m" in options:
            return ""
        relative = os.path.relpath(path, APP)
        if os.path.isdir(os.path.join(self.placement.context, relative)):
            return os.path.normpath(os.path.join(relative, "__main__.py"))
        return relative

    @property
    def context(self) -> Path:
        """The context's directory."""
        return Path(self.placement.context)

    @property
    def can_grow(self) -> bool:
        """Whether ``/app`` in the project's images is exactly the context, unchanged by the build."""
        recipe = self.recipe
        in_app = any(f"{file.destination}/".startswith(f"{APP}/") for file in recipe.files)
        return not (
            self.dockerfile or recipe.source_first or recipe.local or recipe.mounted or in_app
        )


def plan(entry: Entry, package: Package, *, env_files: Sequence[str] = ()) -> Project:
    """Plan the image of an entry.

    Args:
        entry: the program.
        package: the options.
        env_files: the files of the option ``env_file``, which never travel.

    Raises:
        ContextError: the context is invalid, or a named file does not exist or leads out of it.
        DependencyError: the dependencies cannot be read.
        OptionError: the script's name gives no valid image reference.
    """
    placement = place(entry, package.context)
    context = Path(placement.context)
    reference = image_reference(package, image_name_from(entry.stem))
    notes: list[str] = []
    if package.context is None and placement.context != entry.directory_of_source:
        notes.append(
            f"the project is {placement.context}; --context, or context= in package, names another directory"
        )
    dependencies = None
    if package.dockerfile is None:
        dependencies = _dependencies(entry, package, context, notes)
    files: tuple[ExtraFile, ...] = ()
    dockerfile = None
    if package.additional_files or package.dockerfile:
        from buildr.plan.named_files import find_dockerfile, find_file

        files = tuple(find_file(file, placement.context) for file in package.additional_files)
        dockerfile = find_dockerfile(package.dockerfile, placement.context)
    identity = "\0".join(
        (placement.context, *placement.command, reference, package.dockerfile or "")
    )
    key = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:16]
    if package.secrets and not (package.dockerfile or (dependencies and dependencies.files)):
        notes.append("package.secrets: nothing is installed, so nothing is asked of them")
    recipe = Recipe(
        project=key,
        # Not used with a user's Containerfile, which names its own.
        base_image="" if package.dockerfile else _base_image(package, context, dependencies, notes),
        command=placement.command,
        user="0" if package.user == "root" else str(USER_ID),
        **(_installation(dependencies) if dependencies else {}),
        system_packages=package.system_packages,
        files=tuple(
            CopiedFile(
                source=f"files/{index}/{'*' if file.name and file.destination[-1] != '/' else ''}",
                destination=file.destination,
            )
            for index, file in enumerate(files)
        ),
    )
    return Project(
        name=entry.stem,
        reference=reference,
        local_name=f"localhost/buildr/{package.name or image_name_from(entry.stem)}",
        key=key,
        placement=placement,
        package=package,
        recipe=recipe,
        dependencies=dependencies,
        files=files,
        dockerfile=dockerfile,
        notes=tuple(notes),
        private=private_files(package, placement.context, env_files),
        env_files=tuple(env_files),
    )


def _dependencies(
    entry: Entry, package: Package, context: Path, notes: list[str]
) -> Dependencies | None:
    script = Path(entry.script) if entry.script else None
    if script is not None and script.is_dir():
        script /= "__main__.py"
    found = find_dependencies(
        ProjectFiles(
            context=context,
            script=script,
            explicit=package.dependencies_file,
            listed=package.dependencies,
            extras=package.extras,
            groups=package.groups,
            member=package.member,
        )
    )
    named = package.dependencies_file is not None or package.dependencies is not None
    if found is None:
        notes.append(
            "no requirements.txt, inline metadata, lock file or pyproject.toml: nothing is installed"
        )
    elif found.files:
        notes.append(f"dependencies from {found.source}")
    else:
        notes.append(f"{found.source} names no dependencies: nothing is installed")
    if not named:
        notes += unread(context, installs=bool(found and found.files))
        notes += beside_script(context, script) if found is None else ()
    if found is None:
        return None
    notes.extend(found.notes)
    if (package.variant or "").startswith(("alpine", "slim")):
        staged = (file.data.decode(errors="replace") for file in found.files if b"+" in file.data)
        said = (note_repository(text, package.system_packages) for text in staged)
        notes.extend(dict.fromkeys(note for note in said if note))
    return found


def _installation(dependencies: Dependencies) -> dict[str, Any]:
    """Return the fields of a recipe that depend on dependencies."""
    root = DEPENDENCIES_ROOT
    return {
        "install": dependencies.arguments(root),
        "unhashed": dependencies.arguments(root, dependencies.unhashed),
        "local": dependencies.arguments(root, dependencies.local),
        "versions": scm_versions() if dependencies.needs_source or dependencies.local else (),
        "dependencies_source": dependencies.source,
        "source_first": dependencies.needs_source,
        "roots": tuple(os.path.normpath(f"{APP}/{folder}") for folder in dependencies.roots),
    }


def _base_image(
    package: Package, context: Path, dependencies: Dependencies | None, notes: list[str]
) -> str:
    """Return the base image's full reference."""
    named = os.environ.get(BASE_IMAGE_VARIABLE) or package.base_image
    if named:
        return named if named.startswith("sha256:") else str(parse_reference(named).normalised())
    version = package.py_version
    if version is None:
        asked = None
        if dependencies is not None and dependencies.requires_python is not None:
            asked = (dependencies.requires_python, dependencies.python_source)
        version, origin = infer_python_version(context, asked) or (None, None)
        if version not in (None, _DEFAULT_VERSION):
            notes.append(f"Python {version}, from {origin}")
        notes += python_notes(context, version or _DEFAULT_VERSION, origin)
    variant = _DEFAULT_VARIANT if package.variant is None else package.variant
    tag = "-".join(filter(None, (version or _DEFAULT_VERSION, variant)))
    return f"docker.io/library/python:{tag}"


def image_reference(package: Package, default_name: str) -> str:
    """Return the full reference of the built image.

    Args:
        package: validated options.
        default_name: the name if none is given; see `image_name_from`.

    Returns:
        ``repository/name:tag`` with its registry, or ``localhost/buildr/name:tag`` without a repository.

    Raises:
        OptionError: the parts do not form a valid reference, for example because it is too long.
    """
    name = package.name or default_name
    repository = package.repository or "localhost/buildr"
    return str(parse_reference(f"{repository}/{name}:{package.tag}").normalised())
