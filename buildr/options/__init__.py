"""The options: each is declared once and validated when it is set; each error names its option.

`package_options` and `runtime_options` return `Package` and `Runtime`, in which every value is valid and normalized. It
may import only `buildr.errors`.
"""

from __future__ import annotations

from buildr.options.declared import (
    GROUPS,
    OPTIONS,
    package_options,
    read_package,
    read_runtime,
    runtime_options,
)
from buildr.options.files import PackageFile
from buildr.options.mounts import Mount, mount_source
from buildr.options.package import Package, PackageOptions
from buildr.options.package_rules import complete_package, conflict
from buildr.options.ports import Port
from buildr.options.reference import Reference, image_name_from, parse_reference
from buildr.options.runtime import Runtime, RuntimeOptions
from buildr.options.runtime_rules import complete_runtime
from buildr.options.secrets import BuildSecret
from buildr.options.size import parse_bytes
from buildr.options.tmpfs import Tmpfs

__all__ = [
    "GROUPS",
    "OPTIONS",
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
    "conflict",
    "image_name_from",
    "mount_source",
    "package_options",
    "parse_bytes",
    "parse_reference",
    "read_package",
    "read_runtime",
    "runtime_options",
]
