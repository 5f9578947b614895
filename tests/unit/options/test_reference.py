from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildr.errors import OptionError
from buildr.options import (
    Reference,
    image_name_from,
    package_options,
    parse_reference,
)
from buildr.plan.project import image_reference

SHA = "sha256:" + "f" * 64


@pytest.mark.parametrize(
    ("text", "domain", "path", "tag", "digest"),
    [
        ("test_com", "", "test_com", "", ""),
        ("test.com:tag", "", "test.com", "tag", ""),
        ("test.com:5000", "", "test.com", "5000", ""),
        ("test.com/repo:tag", "test.com", "repo", "tag", ""),
        ("test:5000/repo", "test:5000", "repo", "", ""),
        (f"test:5000/repo:tag@{SHA}", "test:5000", "repo", "tag", SHA),
        (f"test:5000/repo@{SHA}", "test:5000", "repo", "", SHA),
        ("lowercase:Uppercase", "", "lowercase", "Uppercase", ""),
        ("UPPER/lower", "UPPER", "lower", "", ""),
        (
            "a/" * 127 + "a:tag-puts-this-over-max",
            "a",
            "a/" * 126 + "a",
            "tag-puts-this-over-max",
            "",
        ),
        ("sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux", "", ""),
        ("b.gcr.io/test.example.com/my-app:x.y", "b.gcr.io", "test.example.com/my-app", "x.y", ""),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", ""),
        ("foo_bar.com:8080", "", "foo_bar.com", "8080", ""),
        ("foo/foo_bar.com:8080", "foo", "foo_bar.com", "8080", ""),
        ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050", ""),
        ("[2001:db8::1]/repo", "[2001:db8::1]", "repo", "", ""),
        (f"[::1]:5000/repo:tag@{SHA}", "[::1]:5000", "repo", "tag", SHA),
        ("dock__er/docker---rules", "", "dock__er/docker---rules", "", ""),
        ("example.com/" + "a" * 255 + ":tag", "example.com", "a" * 255, "tag", ""),
        ("a:" + "t" * 128, "", "a", "t" * 128, ""),
        ("a@sha512:" + "0" * 128, "", "a", "", "sha512:" + "0" * 128),
    ],
)
def test_a_reference_is_split_into_its_parts(
    text: str, domain: str, path: str, tag: str, digest: str
) -> None:
    reference = parse_reference(text)

    assert reference == Reference(domain=domain, path=path, tag=tag, digest=digest)
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":justtag",
        f"@{SHA}",
        "repo@sha256:" + "f" * 34,
        "repo@sha256:" + "F" * 64,
        "repo@md5:" + "f" * 32,
        "Uppercase:tag",
        "test:5000/Uppercase/lowercase:tag",
        "domain/" + "a" * 256 + ":tag",
        "aa/asdf$$^/aa",
        "[2001:db8::1]",
        "[2001:db8::1]:5000",
        "[fe80::1%eth0]:5000/repo",
        "[2001:db8:3:4::192.0.2.33]:5000/debian",
        "fc00::1:5000/debian",
        "https://github.com/docker/docker",
        "-docker/docker",
        "docker-/docker",
        "docker///docker",
        "docker/",
        "/docker",
        "_docker/_docker",
        "dock..er/docker",
        "dock_.er/docker",
        "a:" + "t" * 129,
        "a:tag\n",
        "a\n",
        "a:täg",
        "\uff41",
        "a b",
        "a" * 5000,
    ],
)
def test_an_invalid_reference_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="cannot be"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("python", "docker.io/library/python"),
        ("python:3.12-alpine", "docker.io/library/python:3.12-alpine"),
        ("me/app", "docker.io/me/app"),
        ("docker.io/debian", "docker.io/library/debian"),
        ("index.docker.io/library/debian", "docker.io/library/debian"),
        ("localhost/debian", "localhost/debian"),
        ("LOCALDOMAIN/debian", "LOCALDOMAIN/debian"),
        ("127.0.0.1:5000/debian", "127.0.0.1:5000/debian"),
        ("192.168.0.1", "docker.io/library/192.168.0.1"),
        ("192.168.0.1:80", "docker.io/library/192.168.0.1:80"),
        ("[fc00::1]:5000/docker", "[fc00::1]:5000/docker"),
        (f"a/b:1@{SHA}", f"docker.io/a/b:1@{SHA}"),
    ],
)
def test_a_normalised_reference_names_its_registry(text: str, normalised: str) -> None:
    assert str(parse_reference(text).normalised()) == normalised


def test_a_bare_id_is_not_a_name() -> None:
    with pytest.raises(OptionError, match="64 hexadecimal digits"):
        parse_reference(
            "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a"
        ).normalised()


@given(
    st.from_regex(r"(?:[a-z0-9.:-]{1,12}/)?[a-z0-9._/-]{1,20}(?::[\w.-]{1,5})?", fullmatch=True)
    | st.text(alphabet="aB9._-/:@[]\n", max_size=20)
)
def test_references_survive_a_round_trip(text: str) -> None:
    try:
        reference = parse_reference(text)
    except OptionError:
        return
    assert str(reference) == text
    assert text.isprintable()
    assert reference.normalised() == reference.normalised().normalised()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hello", "hello"),
        ("Hello World", "hello-world"),
        ("my_app", "my_app"),
        ("a...b___c", "a-b-c"),
        ("-_.x._-", "x"),
        ("größe", "gr-e"),
        ("日本語", "app"),
        ("", "app"),
        ("a" * 300, "a" * 100),
        ("__main__", "main"),
        ("$(rm -rf)\n", "rm-rf"),
    ],
)
def test_an_image_is_named_after_a_file(text: str, name: str) -> None:
    assert image_name_from(text) == name


@given(st.text())
def test_any_text_becomes_a_valid_name(text: str) -> None:
    name = image_name_from(text)

    assert package_options({"name": name}).name == name
    assert "/" not in name


@pytest.mark.parametrize(
    ("given_options", "reference"),
    [
        ({}, "localhost/buildr/script:latest"),
        ({"name": "hello", "tag": "1"}, "localhost/buildr/hello:1"),
        ({"repository": "registry.example.org/me"}, "registry.example.org/me/script:latest"),
        ({"repository": "[::1]:5000", "name": "x"}, "[::1]:5000/x:latest"),
        ({"repository": "me", "name": "x"}, "docker.io/me/x:latest"),
    ],
)
def test_the_image_has_a_full_reference(given_options: dict[str, str], reference: str) -> None:
    assert image_reference(package_options(given_options), "script") == reference
