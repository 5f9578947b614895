"""Finds the system packages that a build lacks, by missing programs and headers."""

from __future__ import annotations

import re
from typing import Literal

from buildr.errors import Message, OptionName
from buildr.options.errors import Setting

__all__ = ["Family", "compiled", "install", "of_header", "of_program", "packages"]

Family = Literal["alpine", "debian", ""]
"""The distribution of the base image, as far as its name says it."""

_PACKAGES = {  # the packages of programs and headers on Debian and Alpine
    "compiler": ("gcc libc6-dev", "gcc musl-dev"),
    "c++": ("g++", "g++"),
    "gfortran": ("gfortran", "gfortran"),
    "cargo": ("cargo", "cargo"),
    "rustc": ("cargo", "cargo"),
    "cmake": ("cmake g++ make", "cmake g++ make"),
    "make": ("make", "make"),
    "ninja": ("ninja-build", "samurai"),
    "pkg-config": ("pkg-config", "pkgconf"),
    "swig": ("swig", "swig"),
    "git": ("git", "git"),
    "hg": ("mercurial", "mercurial"),
    "svn": ("subversion", "subversion"),
    "pg_config": ("gcc libc6-dev libpq-dev", "gcc musl-dev libpq-dev"),
    "mysql_config": (
        "gcc libc6-dev default-libmysqlclient-dev pkg-config",
        "gcc musl-dev mariadb-dev pkgconf",
    ),
    "Python.h": ("python3-dev", "python3-dev"),
    "ffi.h": ("libffi-dev", "libffi-dev"),
    "openssl/": ("libssl-dev", "openssl-dev"),
    "libpq-fe.h": ("libpq-dev", "libpq-dev"),
    "mysql.h": ("default-libmysqlclient-dev", "mariadb-dev"),
    "libxml/": ("libxml2-dev libxslt1-dev", "libxml2-dev libxslt-dev"),
    "libxslt/": ("libxslt1-dev", "libxslt-dev"),
    "zlib.h": ("zlib1g-dev", "zlib-dev"),
    "jpeglib.h": ("libjpeg-dev", "jpeg-dev"),
    "sqlite3.h": ("libsqlite3-dev", "sqlite-dev"),
    "ldap.h": ("libldap2-dev libsasl2-dev", "openldap-dev"),
    "sasl/": ("libsasl2-dev", "cyrus-sasl-dev"),
    "gmp.h": ("libgmp-dev", "gmp-dev"),
    "curl/": ("libcurl4-openssl-dev", "curl-dev"),
    "cairo.h": ("libcairo2-dev", "cairo-dev"),
    "hdf5.h": ("libhdf5-dev", "hdf5-dev"),
    "geos_c.h": ("libgeos-dev", "geos-dev"),
    "yaml.h": ("libyaml-dev", "yaml-dev"),
    "snappy-c.h": ("libsnappy-dev", "snappy-dev"),
    "linux/": ("linux-libc-dev", "linux-headers"),
    "portaudio.h": ("portaudio19-dev", "portaudio-dev"),
}
_SLIM = Setting("package.variant", "slim")
_OTHER = Message(" Most packages have a wheel for Debian: ", _SLIM, ".")
_STANDARD = (
    r"(?:assert|ctype|errno|fcntl|limits|math|signal|stdio|stdlib|string|unistd|sys/types)\.h"
)


def install(names: str, family: Family) -> str:
    """Return how to install missing packages.

    Args:
        names: a key of the table, else the name of a package everywhere.
        family: of the base image.
    """
    debian, alpine = (packages(*words.split()) for words in _PACKAGES.get(names, (names, names)))
    if debian == alpine or family:
        return Message("install it: ", alpine if family == "alpine" else debian)
    return Message("install it: ", debian, " on Debian, ", alpine, " on Alpine")


def packages(*names: str) -> Setting:
    """Return the option that installs system packages."""
    return Setting("package.system_packages", *names, is_list=True)


def compiled(names: str, family: Family) -> str:
    """Return advice for a package that is compiled because there is no wheel."""
    return Message(install(names, family), ".", "" if family == "debian" else _OTHER)


def of_program(name: str, family: Family) -> str:
    """Return advice for a missing compiler or build tool."""
    name = name.rpartition("/")[2]
    if re.fullmatch(r"(?:[\w.-]+-)?(?:gcc|cc|clang)(?:-[\d.]+)?|C", name):
        name = "compiler"
    elif re.fullmatch(r"(?:[\w.-]+-)?(?:g\+\+|c\+\+|clang\+\+|cc1plus)(?:-[\d.]+)?", name):
        name = "c++"
    return compiled("cargo" if name == "Rust" else name, family)


def of_header(header: str, family: Family) -> str:
    """Return advice for a missing header."""
    if re.fullmatch(_STANDARD, header):
        return compiled("compiler", family)
    for key in (header, header.rpartition("/")[2], f"{header.partition('/')[0]}/"):
        if key in _PACKAGES:
            return compiled(key, family)
    other = "" if family == "debian" else Message(".", _OTHER)
    return Message(
        "install the package of the system that has this header (",
        OptionName("package.system_packages"),
        ")",
        other,
    )
