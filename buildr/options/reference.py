"""Image references, by the grammar of the OCI distribution project.

The expressions say what ``regexp.go`` of https://github.com/distribution/reference says, and
`Reference.normalised` what its ``ParseNormalizedNamed`` does. Go's ``$`` matches only at the very end of the text,
so a line break at the end is refused here, too.
"""

from __future__ import annotations

import re

from msgspec import Struct

from buildr.options.errors import InvalidValueError
from buildr.options.values import text as plain_text

__all__ = [
    "ACCEPTS",
    "COMPONENT",
    "TAG",
    "Reference",
    "image_name_from",
    "parse_reference",
]

ACCEPTS = 'an image reference such as "registry.example.org:5000/team/name:tag", in lower case up to its tag'

_ALPHANUMERIC = r"[a-z0-9]+"
_SEPARATOR = r"(?:[._]|__|[-]+)"
COMPONENT = f"{_ALPHANUMERIC}(?:{_SEPARATOR}{_ALPHANUMERIC})*"
_PATH = f"{COMPONENT}(?:/{COMPONENT})*"
_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_IPV6 = r"\[[a-fA-F0-9:]+\]"
_DOMAIN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|{_IPV6})(?::[0-9]+)?"
TAG = r"[\w][\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = f"(?:({_DOMAIN})/)?({_PATH})(?::({TAG}))?(?:@({_DIGEST}))?"
_DIGEST_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
"""What go-digest registers, with the number of hexadecimal digits, which it wants in lower case."""

_LONGEST_PATH = 255
_LONGEST = 1024
"""Far above what a registry takes; it keeps the expressions' work small."""
_LONGEST_NAME = 100

_HUB = "docker.io"
_LEGACY_HUB = "index.docker.io"


class Reference(Struct, frozen=True, kw_only=True):
    """An image reference, as it was written.

    Attributes:
        domain: the registry with its port, or empty.
        path: the repository's path in the registry.
        tag: the tag, or empty.
        digest: ``sha256:…``, or empty.
    """

    domain: str
    path: str
    tag: str
    digest: str

    def __str__(self) -> str:
        """Return the text that was parsed."""
        domain = f"{self.domain}/" if self.domain else ""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{domain}{self.path}{tag}{digest}"

    def normalised(self) -> Reference:
        """Return it with its registry: ``python`` becomes ``docker.io/library/python``.

        Without it, an engine may take a short name for one of another registry. The tag is not added.

        Raises:
            OptionError: the name is 64 hexadecimal digits, which engines take for an image's id.
        """
        whole = str(self)
        if re.fullmatch(r"[a-f0-9]{64}", whole):
            raise InvalidValueError(
                whole,
                ACCEPTS,
                problem="engines take 64 hexadecimal digits for an image's id",
            ).of("an image reference")
        first, slash, rest = whole.partition("/")
        if slash and first == _LEGACY_HUB:
            domain = _HUB
        elif slash and (
            first == "localhost" or "." in first or ":" in first or first.lower() != first
        ):
            domain = first
        else:
            domain, rest = _HUB, whole
        if domain == _HUB and "/" not in rest:
            rest = f"library/{rest}"
        return parse_reference(f"{domain}/{rest}")


def parse_reference(text: str) -> Reference:
    """Parse an image reference.

    Raises:
        OptionError: it is not one; the error says why where the reason is known.
    """

    def invalid(problem: str = "") -> InvalidValueError:
        return InvalidValueError(text, ACCEPTS, problem=problem).of("an image reference")

    whole = plain_text(text, ACCEPTS)
    if len(whole) > _LONGEST:
        raise invalid(f"it has more than {_LONGEST} characters")
    match = re.fullmatch(_REFERENCE, whole, re.ASCII)
    if match is None:
        if re.fullmatch(_REFERENCE, whole.lower(), re.ASCII):
            raise invalid("the name has upper-case letters")
        if "://" in whole:
            raise invalid("a reference has no scheme")
        raise invalid()
    domain, path, tag, digest = (part or "" for part in match.groups())
    if len(path) > _LONGEST_PATH:
        raise invalid(f"the path has more than {_LONGEST_PATH} characters")
    if digest:
        algorithm, _, digits = digest.partition(":")
        if _DIGEST_DIGITS.get(algorithm) != len(digits) or digits != digits.lower():
            raise invalid("the digest is not one of sha256, sha384 or sha512")
    return Reference(domain=domain, path=path, tag=tag, digest=digest)


def image_name_from(text: str) -> str:
    """Make the name of an image from that of a file or directory.

    Args:
        text: any text, for instance ``Mein Skript``.

    Returns:
        One valid component of a path in a registry, of at most 100 characters: ``mein-skript``, or ``app``
        where nothing is left.
    """
    name = re.sub(r"[^a-z0-9._-]+", "-", text[:_LONGEST].lower())
    name = re.sub(r"[._-]*-[._-]*|\.[._]+|_+\.[._]*|_{3,}", "-", name)
    return name.strip("._-")[:_LONGEST_NAME].strip("._-") or "app"
