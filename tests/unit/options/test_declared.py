"""What is written of an option outside of its declaration agrees with it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from buildr.options import (
    GROUPS,
    OPTIONS,
    Package,
    PackageOptions,
    Runtime,
    RuntimeOptions,
    typed_dicts,
)
from buildr.options.reading import snake_case
from buildr.plan.guest_files import guest_files

TYPED = {"package": PackageOptions, "runtime": RuntimeOptions}
VALID = {"package": Package, "runtime": Runtime}
DICTS = {"package": typed_dicts.PackageDict, "runtime": typed_dicts.RuntimeDict}
IN_GUESTS: dict[str, Any] = {}
exec(dict(guest_files())["buildr/__init__.py"], IN_GUESTS)  # noqa: S102 - as a guest imports it


@pytest.mark.parametrize("group", GROUPS)
def test_classes_and_dicts_have_the_declared_options(group: str) -> None:
    declared = tuple(GROUPS[group])
    assert TYPED[group].__struct_fields__ == declared
    assert VALID[group].__struct_fields__ == declared
    keys = DICTS[group].__annotations__
    assert tuple(key for key in keys if snake_case(key) == key) == declared


@pytest.mark.parametrize("group", GROUPS)
def test_other_keys_of_the_dicts_are_accepted_aliases(group: str) -> None:
    known = {name for option in GROUPS[group].values() for name in (option.name, *option.aliases)}
    others = {key for key in DICTS[group].__annotations__ if snake_case(key) != key}
    assert {snake_case(key) for key in others} <= known
    assert others


@pytest.mark.parametrize("key", OPTIONS)
def test_a_guest_has_the_hosts_default(key: str) -> None:
    option = OPTIONS[key]
    default = getattr(TYPED[option.group](), option.name)
    assert getattr(IN_GUESTS[TYPED[option.group].__name__](), option.name) == default


@pytest.mark.parametrize("key", OPTIONS)
def test_a_flag_has_everything_for_its_help(key: str) -> None:
    option = OPTIONS[key]
    assert bool(option.flags) == bool(option.help) == bool(option.flag_set)
    assert bool(option.metavar) == (bool(option.flags) and option.form != "switch")
    default = getattr(TYPED[option.group](), option.name)
    if option.flags and isinstance(default, (str, int, float)) and not isinstance(default, bool):
        assert option.help.endswith(f"[default: {default}]")
    if option.repeatable:
        assert "repeatable" in option.help


def test_names_are_unique() -> None:
    for names in (
        [option.variable for option in OPTIONS.values()],
        [flag for option in OPTIONS.values() for flag in option.flags],
    ):
        assert len(set(names)) == len(names)


def test_declarations_do_not_import_the_command_line() -> None:
    code = (
        "import sys; before = set(sys.modules); import buildr.options;"
        " print({'click', 'json', 'tomllib'} & set(sys.modules) - before)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
