"""Why an installation failed, and the advice that fits."""

from __future__ import annotations

import pytest

from buildr.errors import BuildError
from buildr.installer.advice import ADVICE, advise, advised
from buildr.layout import DEPENDENCIES_ROOT
from buildr.plan.containerfile import PIP

ALPINE = "docker.io/library/python:3-alpine"
SLIM = "docker.io/library/python:3-slim"
MISSING = "ERROR: Could not find a version that satisfies the requirement"
PYPROJECT = (
    "error: subprocess-exited-with-error\n  Building wheel for x did not run successfully.\n"
)


@pytest.mark.parametrize(
    ("log", "reason", "hint"),
    [
        (
            (
                f"{MISSING} idna==99 (from versions: 0.2, 0.3, 3.10)\n"
                "ERROR: No matching distribution found for idna==99"
            ),
            "there is no idna==99 for the image; the newest version is 3.10",
            "Ask for a version that there is",
        ),
        (
            (
                f"{MISSING} no-such-thing (from -r {DEPENDENCIES_ROOT}/requirements.txt (line 1))"
                " (from versions: none)\nERROR: No matching distribution found for no-such-thing"
            ),
            "the index has no package no-such-thing for the image",
            "Check the name",
        ),
        (
            (
                "ERROR: Ignored the following versions that require a different python version:"
                " 2.2.0 Requires-Python >=3.10; 2.3.0 Requires-Python >=3.11\n"
                f"{MISSING} numpy==2.3.0 (from versions: 1.0, 2.1)"
            ),
            "numpy==2.3.0 is not for the image's Python: version 2.3.0 needs Python >=3.11",
            "py_version",
        ),
        (
            (
                "ERROR: Ignored the following versions that require a different python version:"
                f" 2.3.0 Requires-Python >=3.11\n{MISSING} numpy==99 (from versions: 1.0, 2.1)"
            ),
            "there is no numpy==99 for the image; the newest version is 2.1",
            "Ask for a version",
        ),
        (
            "ERROR: Package 'demo' requires a different Python: 3.9.1 not in '>=3.12'",
            "a package requires a different Python: 3.9.1 not in '>=3.12'",
            "py_version",
        ),
        (
            (
                "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError("
                f"'<x>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')'\n"
                f"{MISSING} idna (from versions: none)"
            ),
            "the index cannot be reached from the container",
            "offline.md",
        ),
        (
            "OSError: Tunnel connection failed: 407 Proxy Authentication Required",
            "proxy",
            "HTTPS_PROXY",
        ),
        (
            f"SSLError(CERTIFICATE_VERIFY_FAILED)\n{MISSING} a (from versions: none)",
            "certificate",
            "cert",
        ),
        (
            "ERROR: HTTP error 401 while getting https://x",
            "the index asks for a login",
            '{"secrets": ["pip"]}',
        ),
        (
            (
                f"{PYPROJECT}error: command 'gcc' failed: No such file or directory\n"
                "  ERROR: Failed building wheel for x"
            ),
            "a package is compiled, and gcc is missing",
            '{"system_packages": ["gcc", "musl-dev"]}',
        ),
        (
            "unable to execute 'x86_64-linux-gnu-gcc': No such file or directory",
            "gcc is missing",
            "musl-dev",
        ),
        ("error: linker `cc` not found", "cc is missing", "musl-dev"),
        ("error: command 'g++' failed: No such file or directory", "g++ is missing", '["g++"]'),
        (
            "error: can't find Rust toolchain, Rust toolchain is needed",
            "Rust is missing",
            '["cargo"]',
        ),
        (
            "src/x.c:1:10: fatal error: Python.h: No such file or directory\nerror: command '/usr/bin/gcc' failed with exit code 1",
            "the header Python.h is missing",
            '["python3-dev"]',
        ),
        ("fatal error: ffi.h: No such file or directory", "the header ffi.h", '["libffi-dev"]'),
        ("fatal error: openssl/ssl.h: No such file", "openssl/ssl.h", '["openssl-dev"]'),
        ("fatal error: stdio.h: No such file", "stdio.h", '["gcc", "musl-dev"]'),
        ("fatal error: strange.h: No such file", "strange.h", "system_packages"),
        ("Error: pg_config executable not found.", "library of a database", "libpq-dev"),
        ("/usr/bin/ld: cannot find -lpq: No such file", "the library pq is missing", "libpq-dev"),
        (
            (
                "ERROR: Error [Errno 2] No such file or directory: 'git' while executing command git\n"
                "ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?"
            ),
            "fetched with git, which the image does not have",
            '["git"]',
        ),
        (
            f"{PYPROJECT}LookupError: setuptools-scm was unable to detect version for /app.",
            "the project takes its version from Git, and .git is not in the image",
            "SETUPTOOLS_SCM_PRETEND_VERSION=1.2.3",
        ),
        (
            (
                "Exception: Versioning for this project requires either an sdist tarball, or access to an"
                " upstream git repository."
            ),
            "version from Git",
            "PBR_VERSION",
        ),
        ("/usr/bin/python: No module named pip", "the base image has no pip", "python3-pip"),
        ("OSError: [Errno 28] No space left on device", "no space is left", "prune"),
        ("gcc: fatal error: Killed signal terminated program cc1", "killed", "memory"),
        (
            "ERROR: a-1-cp27-cp27m-win32.whl is not a supported wheel on this platform.",
            "a-1-cp27-cp27m-win32.whl is not for the image's Python or system",
            "manylinux",
        ),
        (
            "ERROR: Cannot install a==1 and b==2 because these package versions have conflicting dependencies.",
            "a==1 and b==2 cannot be installed together",
            "Loosen",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "does not have the hash", "lock"),
        ("ERROR: Hashes are required in --require-hashes mode, but", "all need one", "hashes"),
        (
            "ERROR: Directory '.' is not installable. Neither 'setup.py' nor 'pyproject.toml' found.",
            ". cannot be installed",
            "ignore file",
        ),
        (
            f"{PYPROJECT}  ERROR: Failed building wheel for odd-thing",
            "odd-thing has no wheel for this image and cannot be built in it",
            '{"variant": "slim"}',
        ),
    ],
)
def test_the_advice_fits_the_failure(log: str, reason: str, hint: str) -> None:
    found = advise(f"Collecting x\n{log}\n", ALPINE)
    assert reason in found.reason
    assert hint in found.hint
    assert found.hint != ADVICE


def test_package_names_are_those_of_the_base_image_s_distribution() -> None:
    log = "error: command 'gcc' failed: No such file or directory"
    debian = '{"system_packages": ["gcc", "libc6-dev"]}'
    assert debian in advise(log, SLIM).hint
    assert "musl-dev" not in advise(log, SLIM).hint
    assert '{"variant": "slim"}' not in advise(log, SLIM).hint
    both = advise(log, "registry.example.org/mine:1").hint
    assert debian in both
    assert "musl-dev" in both


def test_an_unknown_failure_has_the_last_lines_of_pip() -> None:
    found = advise(
        "ERROR: one\nERROR: \x1b[31mstrange\x1b[0m things\nERROR: Failed to build installable wheels"
    )
    assert (found.reason, found.hint) == ("strange things", ADVICE)
    assert advise("nothing that says it").reason == ""


def test_a_file_that_is_missing_is_not_a_missing_compiler() -> None:
    log = "ERROR: Could not open requirements file: [Errno 2] No such file or directory: 'x.txt'"
    assert advise(log).reason.startswith("Could not open requirements file")


def test_the_error_of_a_step_begins_with_the_reason() -> None:
    log = f"{MISSING} idna==99 (from versions: 3.10)\n"
    failed = BuildError(
        f"the build failed in `RUN {PIP} -r x`: status 1", step=f"RUN {PIP} -r x", hint=log
    )
    reported = advised(failed, ALPINE)
    assert reported.what.startswith("dependencies cannot be installed: there is no idna==99")
    assert reported.hint.startswith(log)
    assert "RUN" not in reported.what


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "E: Unable to locate package libfoo",
            "the base image's distribution has no package libfoo",
        ),
        ("ERROR: unable to select packages:\n  libfoo (no such package):\n", "no package libfoo"),
        ("Temporary failure resolving 'deb.example.org'", "cannot be reached"),
        ("system_packages: the base image has neither apk nor apt-get", "neither apk nor apt-get"),
        ("strange", "status 100"),
    ],
)
def test_system_packages_have_their_own_reasons(log: str, reason: str) -> None:
    step = "RUN if command -v apk > /dev/null; then apk add libfoo"
    reported = advised(BuildError(f"the build failed in `{step}`: status 100", step=step, hint=log))
    assert reported.what.startswith("system_packages cannot be installed: ")
    assert reason in reported.what
    assert ADVICE not in reported.hint


def test_other_steps_have_no_such_advice() -> None:
    failed = BuildError(
        "the build failed", step="RUN make", hint="error: command 'gcc' failed: No such file"
    )
    assert advised(failed) is failed


@pytest.mark.parametrize(
    "log",
    [
        'exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown',
        "executable file `/bin/sh` not found: No such file or directory",
        'runc create failed: exec: "/bin/sh": executable file not found in $PATH',
    ],
)
def test_a_base_image_without_a_shell_is_reported(log: str) -> None:
    for error in (
        BuildError(f"the build failed in `RUN true`: {log}", step="RUN true"),
        BuildError("failed", step="RUN true", hint=log),
    ):
        assert advised(error).what.startswith("the base image has no shell")
