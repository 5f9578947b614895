"""What of an environment marker is decided on the host, and what is left to pip in the image."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker

from buildr.dependencies.markers import ALWAYS, NEVER, Wanted, both, either, read, text

WANTED = Wanted(extras=("cli",), groups=("dev",))


@pytest.mark.parametrize(
    ("marker", "left"),
    [
        ("python_version < '3.8'", "python_version < '3.8'"),
        ('python_full_version>="3.8"', "python_full_version >= '3.8'"),
        ("'3.8' <= python_version", "python_version >= '3.8'"),
        ("sys_platform != 'win32' and python_version >= '3.9'", "python_version >= '3.9'"),
        ("sys_platform == 'win32' or python_version >= '3.9'", "python_version >= '3.9'"),
        ("extra == 'cli' and platform_machine == 'arm64'", "platform_machine == 'arm64'"),
        ("'dev' in dependency_groups and python_version < '4'", "python_version < '4'"),
        (
            "python_version < '3' or python_version >= '4' and platform_machine == 'x'",
            "(platform_machine == 'x' and python_version >= '4') or python_version < '3'",
        ),
        (
            "(python_version < '3' or python_version >= '4') and platform_machine == 'x'",
            "(platform_machine == 'x' and python_version < '3') or (platform_machine == 'x' and python_version >= '4')",
        ),
        ('platform_version == "it\'s"', 'platform_version == "it\'s"'),
    ],
)
def test_markers_that_depend_on_the_image_are_kept(marker: str, left: str) -> None:
    assert text(read(marker, WANTED)) == left


@pytest.mark.parametrize(
    "marker",
    [
        "sys_platform == 'linux'",
        "os_name != 'nt' and 'lin' in sys_platform",
        "platform_system in 'Linux, Darwin'",
        "extra == 'Cli'",
        "extra != 'other'",
        "'cli' in extras and 'other' not in extras",
        "'dev' in dependency_groups",
        "python_version < '3.9' or python_version >= '3.9'",
        "sys_platform == 'linux' or python_version < '3.9'",
    ],
)
def test_markers_that_are_always_true_are_dropped(marker: str) -> None:
    assert read(marker, WANTED) == ALWAYS
    assert text(ALWAYS) == ""


@pytest.mark.parametrize(
    "marker",
    [
        "sys_platform == 'win32'",
        "platform_system == 'linux'",
        "extra == 'other'",
        "'lint' in dependency_groups",
        "python_version < '3.9' and python_version >= '3.9'",
        "python_version < '3.9' and sys_platform == 'darwin'",
    ],
)
def test_markers_that_are_always_false_are_recognized(marker: str) -> None:
    assert read(marker, WANTED) == NEVER


@pytest.mark.parametrize(
    "marker",
    [
        "",
        "python_version",
        "python_version <",
        "os == 'x'",
        "python_version < '3' and",
        "(python_version < '3'",
        "python_version < '3')",
        "'3' < '4'",
        "python_version < python_full_version",
        "python_version < '3' python_version",
        "python_version < '3\n'",
        "python_version < '3 #'",
        "python_version < '3\\'",
        "python_version ; x",
    ],
)
def test_an_invalid_marker_is_refused(marker: str) -> None:
    with pytest.raises(ValueError):
        read(marker, WANTED)


VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12")
ATOMS = st.builds(
    "{} {} '{}'".format,
    st.sampled_from(["python_version", "python_full_version"]),
    st.sampled_from(["<", ">=", "==", "!=", "<=", ">"]),
    st.sampled_from(VERSIONS),
) | st.sampled_from(["sys_platform == 'linux'", "sys_platform == 'win32'"])
MARKERS = st.recursive(
    ATOMS,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=6,
)


def holds(marker: str, version: str) -> bool:
    return not marker or Marker(marker).evaluate(
        {
            "python_version": version,
            "python_full_version": f"{version}.0",
            "sys_platform": "linux",
        }
    )


@settings(deadline=None)
@given(MARKERS, MARKERS)
def test_a_reduced_marker_is_equivalent(first: str, second: str) -> None:
    one, other = read(first, WANTED), read(second, WANTED)
    for version in VERSIONS:
        expected = holds(first, version), holds(second, version)
        for condition, joined in (
            (one, expected[0]),
            (both(one, other), all(expected)),
            (either(one, other), any(expected)),
        ):
            assert (condition != NEVER and holds(text(condition), version)) == joined


def test_conditions_that_grow_too_large_are_kept() -> None:
    pairs = [
        read(f"platform_release == '{n}' or platform_version == '{n}'", WANTED) for n in range(20)
    ]
    with pytest.raises(OverflowError):
        reduce(both, pairs, ALWAYS)
