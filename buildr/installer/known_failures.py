"""Known failures of installations: messages of pip, build back ends, apk and apt, with advice.

The first matching row counts, so causes precede their consequences.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from buildr.errors import Message, OptionName
from buildr.installer.missing_packages import Family, install, of_header, of_program, packages
from buildr.options.errors import Setting

__all__ = ["BEFORE_VERSIONS", "BEHIND_VERSIONS", "PYTHON", "Failure"]

_Advice = Callable[[re.Match[str], Family], str]


class Failure(Struct, frozen=True, kw_only=True):
    """A kind of failure."""

    pattern: str
    reason: str
    """``{}`` is replaced by the first group of the expression that matched."""
    advice: str | _Advice


PYTHON = Message("another Python, for instance ", Setting("package.py_version", "3.12"))
_SCM = (
    "The folder .git does not travel into the image, so the version cannot be found there. Set it on this host, as in"
    " `{}=1.2.3 buildr run app.py`, or write one for this case into the project ({})."
)
_OF_GIT = "the project takes its version from Git, and .git is not in the image"


def _built(match: re.Match[str], family: Family) -> str:
    del match
    slim = Message("; most have one for Debian: ", Setting("package.variant", "slim"))
    return Message(
        "Its own words are above. Another version of it, or of Python, may have a wheel",
        "" if family == "debian" else slim,
        ".",
    )


BEFORE_VERSIONS = (
    Failure(
        pattern=r"No module named '?pip\b",
        reason="the base image has no pip",
        advice=Message(
            "Take the official image (without ",
            OptionName("package.base_image"),
            "), or install it: ",
            packages("python3-pip"),
            " on Debian, ",
            packages("py3-pip"),
            " on Alpine.",
        ),
    ),
    Failure(
        pattern=r"(?i)no space left on device",
        reason="no space is left on the engine's disk",
        advice="`buildr prune` removes old images; `podman system df` or `docker system df` shows what takes the space.",
    ),
    Failure(
        pattern=r"(?m)^\s*Killed\b|died with <Signals\.SIGKILL|fatal error: Killed signal",
        reason="a process was killed, probably for want of memory",
        advice="Give the engine more memory, or ask for a version that has a wheel and is not compiled.",
    ),
    # Versions that come from Git.
    Failure(
        pattern=r"(?i)(?:setuptools|vcs)[-_ ](?:scm|versioning) was unable to detect version|LookupError: setuptools[-_]scm"
        r"|Error getting the version from source `vcs`",
        reason=_OF_GIT,
        advice=_SCM.format(
            "SETUPTOOLS_SCM_PRETEND_VERSION",
            'fallback_version = "0" in [tool.setuptools_scm], fallback-version in [tool.hatch.version]',
        ),
    ),
    Failure(
        pattern=r"Versioning for this project requires either an sdist tarball, or access to an upstream git",
        reason=_OF_GIT,
        advice=_SCM.format("PBR_VERSION", "version in setup.cfg"),
    ),
    Failure(
        pattern=r"Cannot find the version from SCM or SCM isn't detected",
        reason=_OF_GIT,
        advice=_SCM.format("PDM_BUILD_SCM_VERSION", "fallback_version in [tool.pdm.version]"),
    ),
    Failure(
        pattern=r"(?i)(?:dunamai|versioningit|dynamic.versioning)[^\n]*(?:not a|no vcs|unable|could not|failed)"
        r"|Unable to detect version control system|VCS not detected",
        reason=_OF_GIT,
        advice=_SCM.format(
            "POETRY_DYNAMIC_VERSIONING_BYPASS", "default-version in [tool.versioningit]"
        ),
    ),
    # Missing compilers and headers.
    Failure(
        pattern=r"fatal error: ([\w./+-]+\.h(?:pp)?): No such file",
        reason="a package is compiled, and the header {} is missing",
        advice=lambda match, family: of_header(match[1], family),
    ),
    Failure(
        pattern=r"(pg_config) executable not found|(mysql_config)(?::)? not found|valid pkg-config name",
        reason="a package is compiled against the library of a database, which is missing",
        advice=lambda match, family: of_program(match[1] or "mysql_config", family),
    ),
    Failure(
        pattern=r"(?:command|execute|linker) [`'\"]?([\w./+-]+)[`'\"]?(?: failed)?:? (?:No such file|not found)"
        r"|No such file or directory: '((?:[\w.-]+-)?(?:gcc|cc|g\+\+|c\+\+|clang)|c?make|ninja|cargo|rustc|swig|gfortran)'"
        r"|Unknown compiler\(s\): \[\['([\w+-]+)'|no acceptable (C) compiler found"
        r"|(cmake) must be installed|Failed to find (cmake)|CMake is not installed|(Rust) toolchain|(Rust)[^\n]* not installed"
        r"|(?m:^[^\n]*\b(gcc|cc|g\+\+|c\+\+|make|cargo|rustc|gfortran|ninja|swig|pkg-config): (?:command )?not found)",
        reason="a package is compiled, and {} is missing",
        advice=lambda match, family: of_program(match[match.lastindex or 0], family),
    ),
    Failure(
        pattern=r"cannot find -l([\w+-]+)",
        reason="a package is compiled, and the library {} is missing",
        advice=lambda match, _: Message(
            "Install the package of the system that has it, often ",
            packages(f"lib{match[1]}-dev"),
            f" or {match[1]}-dev.",
        ),
    ),
    # Access to the index and to repositories.
    Failure(
        pattern=r"Cannot find command '(git|hg|svn|bzr)'",
        reason="a requirement is fetched with {}, which the image does not have",
        advice=lambda match, family: install(match[1], family),
    ),
    Failure(
        pattern=r"(?i)host key verification failed|permission denied \(publickey|could not read (?:username|password) for",
        reason="the repository of a requirement asks for a login",
        advice='Take its https URL with ${NAME} for the token, and hand that on: package={"secrets": ["id=NAME"]}.',
    ),
    Failure(
        pattern=r"407 Proxy Authentication|ProxyError|Cannot connect to proxy|Tunnel connection failed",
        reason="the proxy refused, or did not answer",
        advice="Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY (Podman), or `proxies` in Docker's config.json. A proxy at"
        " 127.0.0.1 of this host cannot be reached from a container.",
    ),
    Failure(
        pattern=r"(?i)certificate_verify_failed|certificate verify failed",
        reason="the certificate of the index is not trusted in the image",
        advice='Hand on the one that this host trusts: package={"secrets": ["pip"]}, or ["id=cert,src=FILE"].',
    ),
    Failure(
        pattern=r"\b40[13] Client Error|HTTP error 40[13]|\b401 Error, Credentials not correct|(?m:^User for \S+:)",
        reason="the index asks for a login",
        advice='Hand on that of this host: package={"secrets": ["pip"]}; docs/secrets.md has other ways.',
    ),
    Failure(
        pattern=r"(?i)temporary failure (?:in name resolution|resolving)|name or service not known|network is unreachable"
        r"|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|could not resolve host"
        r"|temporary error \(try again later\)|no route to host|connection (?:refused|timed out)",
        reason="the index cannot be reached from the container",
        advice="Check the network of this host, and whether it needs a proxy (docs/dependencies.md, behind a proxy)."
        " docs/offline.md says how to work without a network.",
    ),
    # Refusals of pip.
    Failure(
        pattern=r"(?P<needs>requires a different Python: [^\n]+)",
        reason="a package {}",
        advice=f"Take {PYTHON}, or a version of the package for this one.",
    ),
    Failure(
        pattern=r"ERROR: (\S+\.whl) is not a supported wheel on this platform",
        reason="{} is not for the image's Python or system",
        advice="Take the file for Linux and the image's Python, or name the version and let pip choose; a wheel for"
        ' manylinux needs package={"variant": "slim"}.',
    ),
    Failure(
        pattern=r"Cannot install ([^\n]+?) because these package versions have conflicting dependencies",
        reason="{} cannot be installed together",
        advice="pip's lines above name the conflict. Loosen one of the versions.",
    ),
    Failure(
        pattern=r"THESE PACKAGES DO NOT MATCH THE HASHES",
        reason="a file does not have the hash that the requirements name",
        advice="Write the lock again if the index has replaced the file; otherwise somebody has tampered with it.",
    ),
    Failure(
        pattern=r"Hashes are required in --require-hashes mode|In --require-hashes mode, all requirements must have",
        reason="one requirement has a hash, so all need one, and some have none",
        advice="Write the hashes of all, those included that others need: `pip-compile --generate-hashes`, or a lock.",
    ),
    Failure(
        pattern=r"Directory '([^']+)' is not installable|(\S+) does not appear to be a Python project"
        r"|(\S+) is not a valid editable requirement|Invalid requirement: '([^']+)'",
        reason="{} cannot be installed",
        advice="Is it there, with a pyproject.toml or setup.py, and not left out by the ignore file?",
    ),
    # System packages.
    Failure(
        pattern=r"Unable to locate package (\S+)|Package '([^']+)' has no installation candidate|(\S+) \(no such package\)",
        reason="the base image's distribution has no package {}",
        advice="Its name may differ: build-essential on Debian is build-base on Alpine, libssl-dev is openssl-dev.",
    ),
    Failure(
        pattern=r"has neither apk nor apt-get",
        reason="the base image has neither apk nor apt-get",
        advice="system_packages need one of them: take another base image, or a Containerfile of your own (dockerfile).",
    ),
)
"""Failures that may also be the reason why pip found no version."""
BEHIND_VERSIONS = (
    Failure(
        pattern=r"Failed building wheel for ([\w.-]+)|╰─> ([\w.-]+)\n|[Ff]ailed to build '?(?!installable)([\w.-]+)",
        reason="{} has no wheel for this image and cannot be built in it",
        advice=_built,
    ),
)
