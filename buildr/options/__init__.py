"""The options of a user: read at decoration time, each checked, each error naming its option.

`package_options` and `runtime_options` take what a user gives and return `Package` and `Runtime`, in which
every value is valid and in one form.
"""

from __future__ import annotations

from buildr.options.files import PackageFile
from buildr.options.mounts import Mount, mount_source
from buildr.options.package import (
    Package,
    PackageOptions,
    complete_package,
    exclude_one_another,
    given_package,
    package_options,
)
from buildr.options.ports import Port
from buildr.options.reference import Reference, image_name_from, parse_reference
from buildr.options.runtime import (
    Runtime,
    RuntimeOptions,
    complete_runtime,
    given_runtime,
    runtime_options,
)
from buildr.options.secrets import BuildSecret
from buildr.options.size import parse_bytes
from buildr.options.tmpfs import Tmpfs

__all__ = [
    "BuildSecret",
    "Mount",
    "Package",
    "PackageFile",
    "PackageOptions",
    "Port",
    "Reference",
    "Runtime",
    "RuntimeOptions",
    "Tmpfs",
    "complete_package",
    "complete_runtime",
    "exclude_one_another",
    "given_package",
    "given_runtime",
    "image_name_from",
    "mount_source",
    "package_options",
    "parse_bytes",
    "parse_reference",
    "runtime_options",
]
