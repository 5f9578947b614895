"""Image references against the grammar itself, read a second time and in another way.

The grammar is the one in the documentation of ``reference.go`` of https://github.com/distribution/reference. Here it is read
by hand, letter by letter, where Buildr reads it by expressions, so that a slip in one of them shows.
"""

from __future__ import annotations

import itertools
import string

from hypothesis import example, given
from hypothesis import strategies as st

from buildr.errors import OptionError
from buildr.options import parse_reference

LOWER, DIGITS = string.ascii_lowercase, string.digits
LETTERS, HEX = string.ascii_letters, string.hexdigits
LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


def is_component(text: str) -> bool:
    """path-component: alpha-numeric [separator alpha-numeric]*; separator: [_.] | __ | [-]*."""
    runs: list[str] = []
    for char in text:
        kind = "a" if char in LOWER + DIGITS else char if char in "._-" else "?"
        if runs and runs[-1][0] == kind and kind != ".":
            runs[-1] += kind
        else:
            runs.append(kind)
    if not runs or runs[0][0] != "a" or runs[-1][0] != "a" or any(run[0] == "?" for run in runs):
        return False
    separators = [run for run in runs if run[0] != "a"]
    apart = all(left[0] == "a" or right[0] == "a" for left, right in itertools.pairwise(runs))
    return apart and all(run[0] == "-" or run in (".", "_", "__") for run in separators)


def is_domain(text: str) -> bool:
    """domain: host [":" port]; host: names joined by dots, or an IPv6 address in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or (text.startswith("[") and text.endswith("]")):
        host, port = text, "0"
    if not port or any(char not in DIGITS for char in port):
        return False
    if host.startswith("[") and host.endswith("]"):
        return len(host) > 2 and all(char in f"{HEX}:" for char in host[1:-1])
    parts = host.split(".")
    return all(
        part
        and all(char in f"{LETTERS}{DIGITS}-" for char in part)
        and "-" not in (part[0], part[-1])
        for part in parts
    )


def is_tag(text: str) -> bool:
    """tag: [\\w][\\w.-]{0,127}."""
    word = f"{LETTERS}{DIGITS}_"
    return 1 <= len(text) <= 128 and text[0] in word and all(char in f"{word}.-" for char in text)


def is_digest(text: str) -> bool:
    """digest, as far as go-digest knows its algorithm."""
    algorithm, _, digits = text.partition(":")
    return LENGTHS.get(algorithm) == len(digits) and all(
        char in f"{DIGITS}abcdef" for char in digits
    )


def is_reference(text: str) -> bool:
    """reference: name [":" tag] ["@" digest]; name: [domain "/"] path-component ["/" path-component]*."""
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        return False
    # A tag is what follows a colon after the last slash; in a name no colon can stand there.
    head, slash, last = rest.rpartition("/")
    name, colon, tag = last.partition(":")
    if colon and not is_tag(tag):
        return False
    parts = [*(head.split("/") if slash else []), name]
    with_domain = len(parts) > 1 and is_domain(parts[0]) and all(map(is_component, parts[1:]))
    # With a domain or without: the path, which may be 255 long, is what is left.
    if with_domain:
        return len("/".join(parts[1:])) <= 255
    return all(map(is_component, parts)) and len("/".join(parts)) <= 255


DIGESTS = st.builds(
    lambda algorithm, digits: f"{algorithm}:{digits}",
    st.sampled_from([*LENGTHS, "md5", "SHA256"]),
    st.sampled_from([32, 63, 64, 65, 96, 128]).map(
        lambda count: "0a" * (count // 2) + "f" * (count % 2)
    ),
)
PIECES = st.lists(
    st.sampled_from(
        [
            *"aZ09._-/:@[]",
            "__",
            "--",
            "..",
            "localhost",
            ":5000",
            "[::1]",
            "docker.io",
            "A.b",
            "é",
            " ",
            "\n",
        ]
    )
    | DIGESTS.map("@".__add__),
    max_size=9,
).map("".join)
NAMES = st.from_regex(
    r"(?:[a-zA-Z0-9.-]{1,8}(?::[0-9]{1,5})?/)?[a-z0-9._/-]{1,12}(?::[\w.-]{1,6})?", fullmatch=True
)


@given(PIECES | NAMES | st.builds("{}@{}".format, NAMES, DIGESTS))
@example("a" * 255)
@example("a" * 256)
@example("a/" + "b" * 255)
@example("A/" + "b" * 256)
@example("a:" + "t" * 128)
@example("a:" + "t" * 129)
@example("[::1]/a")
@example("[::1]:5/a")
@example("a..b")
@example("a.-b")
@example("a___b")
@example("a---b")
def test_both_parsers_agree(text: str) -> None:
    try:
        parse_reference(text)
        found = True
    except OptionError:
        found = False
    assert found is is_reference(text), text
