"""Whatever a user writes, an option is either valid and harmless or an OptionError."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildr.errors import OptionError
from buildr.options import (
    PackageOptions,
    RuntimeOptions,
    package_options,
    parse_bytes,
    runtime_options,
)

TEXT = st.text() | st.text(alphabet="a1.:/-_@=~[]\n\0 \x85\u2028Z,%", max_size=24)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)
ONE = st.lists(TEXT, max_size=2) | st.dictionaries(TEXT, TEXT, max_size=2)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return list(value)
    if isinstance(value, tuple):
        return [text for item in value for text in _texts(item)]
    fields = getattr(value, "__struct_fields__", ())
    return [text for name in fields for text in _texts(getattr(value, name))]


def _harmless(value: object) -> bool:
    return not any(re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text) for text in _texts(value))


@pytest.mark.parametrize("name", PackageOptions.__struct_fields__)
@given(value=TEXT | ANY | ONE)
def test_a_package_option_is_harmless_or_refused(name: str, value: Any) -> None:
    try:
        found = package_options({name: value})
    except OptionError:
        return
    assert _harmless(found)


@pytest.mark.parametrize("name", RuntimeOptions.__struct_fields__)
@given(value=TEXT | ANY | ONE)
def test_a_runtime_option_is_harmless_or_refused(name: str, value: Any) -> None:
    try:
        found = runtime_options({name: value})
    except OptionError:
        return
    assert _harmless(found)


@given(ANY, ANY, ANY)
def test_an_additional_file_is_harmless_or_refused(src: Any, dest: Any, mode: Any) -> None:
    try:
        found = package_options({"additional_files": [{"src": src, "dest": dest, "mode": mode}]})
    except OptionError:
        return
    assert _harmless(found)


@given(ANY)
def test_options_of_any_kind_are_read_or_refused(value: Any) -> None:
    for read in (package_options, runtime_options):
        try:
            found = read(value)
        except OptionError:
            continue
        assert _harmless(found)


@given(st.text(alphabet="0123456789.kmgtpib ", max_size=12))
def test_a_size_is_a_number_of_bytes_or_refused(text: str) -> None:
    try:
        size = parse_bytes(text)
    except OptionError:
        return
    assert 0 <= size < 2**63
