"""The options of the image, each declared once."""

from __future__ import annotations

from functools import partial

from buildr.options import package_values as values
from buildr.options.declaration import Option
from buildr.options.files import additional_files
from buildr.options.secrets import build_secrets
from buildr.options.values import flag

__all__ = ["PACKAGE"]

_option = partial(Option, group="package")
_build = partial(_option, section="Build options", flag_set="build", decides_image=True)
# The image's name is in its labels, too.
_image = partial(_option, section="Image options", flag_set="image", decides_image=True)

_DECLARED = (
    _image(
        name="repository",
        read=values.repository,
        flags=("--repository",),
        metavar="REPOSITORY",
        help="Where the image belongs, such as registry.example.org/me.",
    ),
    _image(
        name="name",
        read=values.name,
        flags=("--name",),
        metavar="NAME",
        help="Name of the image.  [default: the script's]",
    ),
    _image(
        name="tag",
        read=values.tag,
        flags=("--tag",),
        metavar="TAG",
        help="Tag of the image.  [default: latest]",
        confined=True,
    ),
    _image(
        name="publish",
        read=flag,
        form="switch",
        flags=("--push",),
        flag_set="publish",
        decides_image=False,
        help="Push the image, with the logins of podman and docker.",
    ),
    _build(
        name="py_version",
        read=values.py_version,
        flags=("--py-version",),
        metavar="VERSION",
        help="Python of the image, such as 3.12.  [default: the one that the project requires, else 3]",
        confined=True,
    ),
    _build(
        name="variant",
        read=values.variant,
        flags=("--variant",),
        metavar="NAME",
        help="Variant of the Python image, such as slim.  [default: alpine]",
        confined=True,
    ),
    _build(
        name="base_image",
        read=values.base_image,
        short_variable="BUILDR_BASE_IMAGE",
        flags=("--base-image",),
        metavar="IMAGE",
        help="Another base image, with a Python in it.",
        confined=True,
    ),
    _build(
        name="pull",
        read=flag,
        form="switch",
        flags=("--pull",),
        flag_set="image",
        decides_image=False,
        help="Check the registry for a newer base image.  [default: pull only if none is stored]",
        confined=True,
    ),
    _build(
        name="dockerfile",
        read=values.dockerfile,
        flags=("--dockerfile",),
        flag_set="image",
        metavar="FILE",
        help="A Containerfile of your own, built as it is.",
    ),
    _build(
        name="dependencies_file",
        read=values.dependencies_file,
        flags=("--dependencies-file",),
        metavar="FILE",
        help="What to install.  [default: requirements.txt, else the script's inline metadata, a lock, or pyproject.toml]",
        confined=True,
    ),
    _build(
        name="dependencies",
        read=values.dependencies,
        form="structure",
        flags=("--dependency",),
        repeatable=True,
        metavar="REQUIREMENT",
        help="What to install, in place of any file; repeatable.",
        confined=True,
    ),
    _build(
        name="extras",
        read=values.extras,
        form="structure",
        flags=("--extra",),
        repeatable=True,
        metavar="NAME",
        help="Also install an extra of the project; repeatable.",
        confined=True,
    ),
    _build(
        name="groups",
        read=values.groups,
        form="structure",
        flags=("--group",),
        repeatable=True,
        metavar="NAME",
        help="Also install a dependency group; repeatable.",
        confined=True,
    ),
    _build(
        name="member",
        read=values.member,
        flags=("--package",),
        metavar="NAME",
        help="Install for this member of a uv workspace.  [default: the one that the script is in]",
        confined=True,
    ),
    _build(
        name="system_packages",
        read=values.system_packages,
        form="structure",
        flags=("--system-package",),
        repeatable=True,
        metavar="NAME",
        help="Install a system package with apk or apt; repeatable.",
        confined=True,
    ),
    _build(
        name="additional_files",
        read=additional_files,
        form="structure",
        flags=("--additional-file",),
        repeatable=True,
        metavar="SRC:DEST[:MODE]",
        help="Copy one more file or directory into the image; repeatable.",
    ),
    _build(
        name="context",
        read=values.context,
        flags=("--context",),
        metavar="DIRECTORY",
        help="What is sent to the build.  [default: the root of the project]",
    ),
    _build(
        name="user",
        read=values.user,
        flags=("-u", "--user"),
        metavar="root",
        help="Run as root in the container, rather than as uid 1000.",
    ),
    _option(
        name="builder",
        read=values.backend,
        flags=("--builder",),
        flag_set="builder",
        metavar="NAME",
        help="The engine that builds, if another one runs; needs --push.  [default: --backend]",
        confined=True,
    ),
    _option(
        name="verbose",
        read=flag,
        form="switch",
        flags=("--verbose",),
        flag_set="output",
        help="Show all output of a build.",
        confined=True,
    ),
    _option(
        name="quiet",
        read=flag,
        form="switch",
        flags=("-q", "--quiet"),
        flag_set="output",
        help="Say nothing but errors.",
        confined=True,
    ),
    _build(
        name="include_secrets",
        read=flag,
        form="switch",
        flags=("--include-secrets",),
        flag_set="image",
        help="Also send files that look like secrets.",
    ),
    _build(
        name="secrets",
        read=build_secrets,
        form="structure",
        flags=("--secret",),
        repeatable=True,
        metavar="id=ID,src=FILE",
        help="What the installation, or a step of your own Containerfile, can see and the image does not contain: id=…,src=FILE,"
        " id=…,env=VARIABLE, or pip (pip's settings on this host); repeatable.",
    ),
    _build(
        name="wheel_cache",
        read=flag,
        form="switch",
        flags=("--wheel-cache",),
        flag_set="wheel_cache",
        decides_image=False,
        help="Keep downloads and built wheels for the next installation.",
    ),
)
PACKAGE = {option.name: option for option in _DECLARED}
"""By name."""
