from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from buildr.errors import OptionError
from buildr.options import GROUPS, Package, PackageFile, PackageOptions, package_options
from buildr.options.package import DEFAULT_VARIANT


def test_every_option_has_a_default() -> None:
    package = package_options(None)

    assert package == Package(variant=DEFAULT_VARIANT)
    assert package.tag == "latest"
    assert package.user is None


def test_every_field_of_the_typed_options_is_read() -> None:
    assert tuple(GROUPS["package"]) == PackageOptions.__struct_fields__ == Package.__struct_fields__


def test_a_dict_and_typed_options_are_equivalent() -> None:
    given: dict[str, Any] = {
        "repository": "registry.example.org/me",
        "name": "hello",
        "tag": "1.0",
        "publish": True,
        "py_version": "3.12",
        "variant": "slim",
        "additional_files": [{"src": "a.json", "dest": "/etc/a.json", "mode": "0400"}],
        "context": "src",
        "user": "root",
        "builder": "podman",
        "verbose": True,
        "include_secrets": True,
        "pull": True,
    }

    package = package_options(given)

    assert package == package_options(PackageOptions(**given))
    assert package.additional_files == (PackageFile("a.json", "/etc/a.json", "0400"),)
    assert package.publish is True


def test_validated_options_validate_to_themselves() -> None:
    once = package_options(
        {"name": "a", "additional_files": [PackageFile("a", "/a")], "py_version": 3}
    )

    assert package_options(once) == once


@pytest.mark.parametrize(
    ("camel", "snake", "value"),
    [
        ("pyVersion", "py_version", "3.12"),
        ("baseImage", "base_image", "debian:12"),
        ("additionalFiles", "additional_files", [PackageFile("a", "/a")]),
        ("dependenciesFile", "dependencies_file", "dev.txt"),
        ("includeSecrets", "include_secrets", True),
        ("systemPackages", "system_packages", ["git"]),
    ],
)
def test_metaparticles_camel_case_names_work(camel: str, snake: str, value: object) -> None:
    assert package_options({camel: value}) == package_options({snake: value})


def test_none_means_not_given() -> None:
    names = PackageOptions.__struct_fields__

    assert package_options(dict.fromkeys(names)) == package_options(None)


def test_a_name_in_both_spellings_is_refused() -> None:
    with pytest.raises(OptionError, match=r"py_version is given twice.*'py_version'.*'pyVersion'"):
        package_options({"py_version": "3", "pyVersion": "3"})


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("pyversion", "py_version"),
        ("Repository", "repository"),
        ("additionalFile", "additional_files"),
    ],
)
def test_an_unknown_option_names_the_nearest(unknown: str, meant: str) -> None:
    with pytest.raises(OptionError) as caught:
        package_options({unknown: "x"})

    assert caught.value.what == f"package.{unknown} is not an option; did you mean {meant!r}?"
    assert "repository, name, tag" in caught.value.hint


@pytest.mark.parametrize("unknown", ["executor", "\n", "", 5, None])
def test_an_unknown_option_is_refused(unknown: object) -> None:
    with pytest.raises(OptionError, match="option"):
        package_options({unknown: "x"})  # type: ignore[dict-item] # users are not checked by mypy


@pytest.mark.parametrize("value", ["hello", 5, [("name", "x")], PackageFile("a", "/a")])
def test_options_of_another_type_are_refused(value: Any) -> None:
    with pytest.raises(OptionError, match="package cannot be") as caught:
        package_options(value)

    assert caught.value.hint == "accepted: a dict of options, or PackageOptions(…)"


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        package_options({"nam": "x", "tag": "a b", "publish": 1})

    assert caught.value.what == "3 options are invalid"
    for option in ("package.nam ", "package.tag cannot be 'a b'", "package.publish cannot be 1"):
        assert option in caught.value.hint


WRONG: list[tuple[str, object]] = [
    ("repository", ""),
    ("repository", "https://registry.example.org/me"),
    ("repository", "registry.example.org/Me"),
    ("repository", "registry.example.org/me/"),
    ("repository", "registry.example.org/me:1"),
    ("repository", "registry.example.org/me@sha256:" + "f" * 64),
    ("repository", "me\n"),
    ("repository", b"me"),
    ("name", ""),
    ("name", "Hello"),
    ("name", "hello:1"),
    ("name", "-hello"),
    ("name", "a//b"),
    ("name", "hello\n"),
    ("name", "hello\n\nRUN evil"),
    ("name", "ähm"),
    ("name", "a" * 256),
    ("name", 5),
    ("tag", ""),
    ("tag", "-a"),
    ("tag", "a/b"),
    ("tag", "a" * 129),
    ("tag", "latest\n"),
    ("tag", "lätest"),
    ("tag", 1),
    ("publish", "yes"),
    ("publish", 1),
    ("py_version", ""),
    ("py_version", "2.7"),
    ("py_version", "3.7"),
    ("py_version", "4"),
    ("py_version", "three"),
    ("py_version", "3.12\nRUN evil"),
    ("py_version", "3.12\n"),
    ("py_version", "3.12 AS x"),
    ("py_version", "٣"),
    ("py_version", 3.12),
    ("py_version", 2),
    ("py_version", True),
    ("py_version", ["3"]),
    ("variant", "Slim"),
    ("variant", "slim "),
    ("variant", "-slim"),
    ("variant", "slim\nUSER root"),
    ("variant", 1),
    ("base_image", ""),
    ("base_image", "Debian:12"),
    ("base_image", "debian:12 AS x"),
    ("base_image", "debian:12\nRUN evil"),
    ("base_image", "debian\u2028"),
    ("base_image", "f" * 64),
    ("base_image", 12),
    ("dockerfile", ""),
    ("dockerfile", "Docker\nfile"),
    ("dockerfile", 1),
    ("dockerfile", b"Dockerfile"),
    ("dependencies_file", "  "),
    ("dependencies_file", "a\0"),
    ("dependencies", "httpx"),
    ("dependencies", [""]),
    ("dependencies", ["httpx\n--pre"]),
    ("dependencies", [1]),
    ("extras", "cli"),
    ("extras", ["a b"]),
    ("extras", [""]),
    ("groups", "dev"),
    ("groups", ["a,b"]),
    ("groups", ["-x"]),
    ("system_packages", "git"),
    ("system_packages", [""]),
    ("system_packages", ["-y"]),
    ("system_packages", ["git-"]),
    ("system_packages", ["git curl"]),
    ("system_packages", ["git;id"]),
    ("system_packages", ["./git.deb"]),
    ("system_packages", ["git=-1"]),
    ("system_packages", ["git\n"]),
    ("context", ""),
    ("context", "a\x7f"),
    ("context", 3),
    ("user", "me"),
    ("user", 0),
    ("user", "root\n"),
    ("builder", ""),
    ("builder", "pod man"),
    ("builder", "podman\n"),
    ("builder", 1),
    ("verbose", "no"),
    ("quiet", 0),
    ("include_secrets", "all"),
    ("pull", "always"),
    ("additional_files", "a.json"),
    ("additional_files", PackageFile("a", "/a")),
    ("additional_files", {"src": "a", "dest": "/a"}),
    ("additional_files", ["a.json"]),
    ("additional_files", [{"src": "a"}]),
    ("additional_files", [{"src": "a", "dest": "/a", "owner": "me"}]),
    ("additional_files", [{"src": "a", 1: "/a"}]),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_an_invalid_value_is_refused_with_the_option_s_name(name: str, value: object) -> None:
    with pytest.raises(OptionError) as caught:
        package_options({name: value})

    assert caught.value.what.startswith(f"package.{name}")
    assert caught.value.hint.startswith("accepted: ")
    assert caught.value.what.isprintable()


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_typed_options_with_an_invalid_value_are_refused_too(name: str, value: object) -> None:
    typed: PackageOptions = structs.replace(PackageOptions(), **{name: value})

    with pytest.raises(OptionError, match=rf"^package\.{name}"):
        package_options(typed)


@pytest.mark.parametrize(
    ("file", "part"),
    [
        (PackageFile("", "/a"), "src"),
        (PackageFile("a\n", "/a"), "src"),
        (PackageFile(5, "/a"), "src"),  # type: ignore[arg-type] # users are not checked by mypy
        (PackageFile("a", "a"), "dest"),
        (PackageFile("a", "/"), "dest"),
        (PackageFile("a", "/./"), "dest"),
        (PackageFile("a", "/a/../../etc"), "dest"),
        (PackageFile("a", "/a\nRUN evil"), "dest"),
        (PackageFile("a", "/a", "rw"), "mode"),
        (PackageFile("a", "/a", "0800"), "mode"),
        (PackageFile("a", "/a", "44"), "mode"),
        (PackageFile("a", "/a", "0400\n"), "mode"),
        (PackageFile("a", "/a", 400), "mode"),  # type: ignore[arg-type] # users are not checked by mypy
    ],
)
def test_an_invalid_additional_file_is_refused_with_its_index(file: PackageFile, part: str) -> None:
    with pytest.raises(OptionError, match=rf"^package\.additional_files\[1\]\.{part} cannot be"):
        package_options({"additional_files": [PackageFile("x", "/x"), file]})


def test_two_additional_files_cannot_have_one_destination() -> None:
    with pytest.raises(OptionError, match=r"additional_files\[1\]\.dest.*two files go there"):
        package_options({"additional_files": [PackageFile("a", "/a"), PackageFile("b", "//a/")]})


def test_files_may_share_a_destination_directory() -> None:
    files = (PackageFile("a", "/etc/app/"), PackageFile("b", "//etc/./app/"))
    found = package_options({"additional_files": files}).additional_files
    assert [file.dest for file in found] == ["/etc/app/", "/etc/app/"]


def test_a_whiteout_destination_is_refused() -> None:
    with pytest.raises(OptionError, match=r"dest cannot be .*a file is deleted"):
        package_options({"additional_files": [PackageFile("a", "/etc/.wh.passwd")]})


def test_paths_may_be_path_objects() -> None:
    package = package_options(
        {
            "context": Path("src"),
            "dependencies_file": Path("dev.txt"),
            "additional_files": [{"src": Path("a b"), "dest": "/x y/ä"}],
        }
    )

    assert (package.context, package.dependencies_file) == ("src", "dev.txt")
    assert package.additional_files == (PackageFile("a b", "/x y/ä"),)


@pytest.mark.parametrize(
    "value", ["3", "3.8", "3.12", "3.12.4", "3.15-rc", "3.15.0a1", "3.15.0rc2", 3]
)
def test_a_python_version_is_accepted(value: str | int) -> None:
    assert package_options({"py_version": value}).py_version == str(value)


def test_a_version_as_a_number_is_refused_with_the_reason() -> None:
    with pytest.raises(OptionError, match=r"py_version cannot be 3\.1: .* 3\.1 and 3\.10 would be"):
        package_options({"py_version": 3.10})


@pytest.mark.parametrize(
    "name", ["git", "g++", "libstdc++6", "python3.11", "curl=8.5.0-r0", "a=1:2~3"]
)
def test_a_system_package_is_accepted(name: str) -> None:
    assert package_options({"system_packages": [name]}).system_packages == (name,)


def test_an_empty_list_of_dependencies_differs_from_none() -> None:
    assert package_options({"dependencies": []}).dependencies == ()
    assert package_options(None).dependencies is None
    assert package_options({"dependencies": [" httpx "]}).dependencies == ("httpx",)


@pytest.mark.parametrize("value", ["slim", "slim-bookworm", "alpine3.20", ""])
def test_a_variant_is_accepted(value: str) -> None:
    assert package_options({"variant": value}).variant == value


@pytest.mark.parametrize(
    "value",
    ["python", "debian:12", "localhost/base:1", "[::1]:5000/a/b:c", "sha256:" + "0" * 64],
)
def test_a_base_image_is_kept_as_written(value: str) -> None:
    package = package_options({"base_image": value})

    assert package.base_image == value
    assert package.variant is None


@pytest.mark.parametrize(
    "value", ["me", "localhost:5000", "registry.example.org:5000/team", "[::1]:5000/team"]
)
def test_a_repository_is_accepted(value: str) -> None:
    assert package_options({"repository": value}).repository == value


@pytest.mark.parametrize(
    "given",
    [
        {"base_image": "debian", "variant": "slim"},
        {"base_image": "debian", "py_version": "3"},
        {"dockerfile": "Dockerfile", "py_version": "3"},
        {"dockerfile": "Dockerfile", "base_image": "debian"},
        {"dockerfile": "Dockerfile", "dependencies_file": "a.txt"},
        {"dockerfile": "Dockerfile", "dependencies": ["a"]},
        {"dockerfile": "Dockerfile", "extras": ["cli"]},
        {"dockerfile": "Dockerfile", "groups": ["dev"]},
        {"dockerfile": "Dockerfile", "system_packages": ["git"]},
        {"dependencies": ["a"], "dependencies_file": "a.txt"},
        {"dependencies": [], "extras": ["cli"]},
        {"dependencies": ["a"], "groups": ["dev"]},
        {"verbose": True, "quiet": True},
    ],
)
def test_conflicting_options_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as caught:
        package_options(given)

    for name in given:
        assert f"package.{name}" in caught.value.what


def test_publishing_needs_a_repository() -> None:
    with pytest.raises(OptionError, match=r"package\.publish needs package\.repository"):
        package_options({"publish": True})


def test_the_parts_of_the_reference_must_be_valid_together() -> None:
    with pytest.raises(OptionError, match="255 characters"):
        package_options({"repository": "example.org/" + "a" * 200, "name": "b" * 200})


def test_a_long_value_is_shortened() -> None:
    with pytest.raises(OptionError) as caught:
        package_options({"tag": "a" * 100_000})

    assert len(caught.value.what) < 100


def test_a_value_without_a_repr_is_shown_by_its_type() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(OptionError, match=r"package\.tag cannot be <Shy>"):
        package_options({"tag": Shy()})


def test_an_error_is_a_single_line() -> None:
    class Loud:
        def __repr__(self) -> str:
            return "a\nb\x1b[31m"

    with pytest.raises(OptionError) as caught:
        package_options({"tag": Loud()})

    assert caught.value.what.isprintable()


def test_an_invalid_path_object_is_refused() -> None:
    class Odd:
        def __fspath__(self) -> str:
            return 5  # type: ignore[return-value] # what the test is about

    with pytest.raises(OptionError, match=r"package\.context cannot be"):
        package_options({"context": Odd()})
