"""Recognizes files with secrets by their content, regardless of their names.

Only what is almost certainly a secret counts: the frame of a private key with a key in it, and tokens that begin as those of
well-known services do and are as long (after the rules of gitleaks and trufflehog). A search for fixed words goes before every
expression, since most files need no more. No expression takes longer than in proportion to the text.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

__all__ = [
    "MOST_BYTES",
    "find_secret",
    "is_der_key",
    "is_prose",
    "is_public",
    "is_templated",
    "records_login",
    "remembers_login",
    "sets_password",
]

MOST_BYTES: Final = 64 * 1024
"""A larger file is not looked into, unless its name says that it may be a key."""

_ALONE: Final = rb"(?<![A-Za-z0-9])"
_DISTINCT: Final = 8  # different characters that a random text has at least
_KEY_BYTES: Final = 32  # characters of a key; a frame with less is an example
_KEY_WINDOW: Final = 2048
_SENTENCE_WORDS: Final = 6
_BINARY_BYTES: Final = 1024  # a file that is not text usually has a NUL in them
_PRIVATE: Final = b"PRIVATE KEY"
_FRAME: Final = rb"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_FRAME_HEADERS: Final = rb"(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset):[^\n\\]*"
_BREAK: Final = rb"\\[rnt]|[\s\"'+,\\]+"
_BASE64: Final = rb"[A-Za-z0-9+/=]*"
_EXAMPLE: Final = rb"(?i)example|x{6}|0{8}|1234567|abcdefg|placeholder|your[_-]"

# ASN.1: a SEQUENCE that begins with the INTEGER 0 or 1 is a key (RFC 5208, RFC 5915, RFC 8017); a
# certificate begins with another SEQUENCE (RFC 5280).
_DER_LENGTH: Final = rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)"
_DER_KEY: Final = rb"(?s)" + _DER_LENGTH + rb"\x02\x01[\x00\x01]"
_PUBLIC: Final = rb"(?s)\s*\Z|\s*(?:ssh-|ecdsa-|sk-)|" + _DER_LENGTH + rb"\x30|PK\x03\x04"

_TOKENS: Final = (
    (b"AKIA", rb"AKIA[A-Z2-7]{16}(?![A-Za-z0-9])"),
    (b"ASIA", rb"ASIA[A-Z2-7]{16}(?![A-Za-z0-9])"),
    (b"aws_secret", rb"aws_secret_access_key[\"']?\s{0,8}[=:]\s{0,8}[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"),
    (b"ghp_", rb"ghp_[A-Za-z0-9]{36}"),
    (b"gho_", rb"gho_[A-Za-z0-9]{36}"),
    (b"ghu_", rb"ghu_[A-Za-z0-9]{36}"),
    (b"ghs_", rb"ghs_[A-Za-z0-9]{36}"),
    (b"ghr_", rb"ghr_[A-Za-z0-9]{36}"),
    (b"github_pat_", rb"github_pat_[A-Za-z0-9_]{60}"),
    (b"gl", rb"gl(?:pat|dt|rt|cbt|ptt|soat|ft|agent)-[A-Za-z0-9_-]{20}"),
    (b"xox", rb"xox[abeoprs]-\d{1,14}-[A-Za-z0-9-]{20}"),
    (b"xapp-", rb"xapp-\d-[A-Za-z0-9-]{20}"),
    (b"hooks.slack.com/services/T", rb"hooks\.slack\.com/services/T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{20}"),
    (b"k_live_", rb"[rs]k_live_[A-Za-z0-9]{20}"),
    (b"npm_", rb"npm_[A-Za-z0-9]{36}"),
    (b"pypi-AgE", rb"pypi-AgE[A-Za-z0-9_-]{50}"),
    (b"hf_", rb"hf_[A-Za-z]{34}"),
    (b"AIza", rb"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    (b"ya29.", rb"ya29\.[A-Za-z0-9_-]{40}"),
    (b"GOCSPX-", rb"GOCSPX-[A-Za-z0-9_-]{28}"),
    (b"T3BlbkFJ", rb"sk-[A-Za-z0-9_-]{20,200}?T3BlbkFJ[A-Za-z0-9_-]{20}"),
    (b"sk-ant-", rb"sk-ant-[a-z]{3,8}\d\d-[A-Za-z0-9_-]{80}"),
    (b"SG.", rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    (b"_v1_", rb"do[opr]_v1_[a-f0-9]{64}"),
    (b"shp", rb"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    (b"hvs.", rb"hvs\.[A-Za-z0-9_-]{24}"),
    (b"dapi", rb"dapi[a-f0-9]{32}(?![a-f0-9])"),
    (b":AA", rb"\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"),
    (b"atlasv1.", rb"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60}"),
    (b"dckr_", rb"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27}"),
    (b"glsa_", rb"glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}"),
    (b"dp.", rb"dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9._-]{40}"),
    (b"pul-", rb"pul-[a-f0-9]{40}(?![a-f0-9])"),
    (b"NRAK-", rb"NRAK-[A-Z0-9]{27}"),
    (b"PMAK-", rb"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    (b"rubygems_", rb"rubygems_[a-f0-9]{48}"),
    (b"ATATT3", rb"ATATT3[A-Za-z0-9_=-]{100}"),
    (b"AccountKey=", rb"AccountKey=[A-Za-z0-9+/]{86}=="),
    (b"AGE-SECRET-KEY-1", rb"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    (b"sbp_", rb"sbp_[a-f0-9]{40}"),
    (b"gsk_", rb"gsk_[A-Za-z0-9]{52}"),
    (b"r8_", rb"r8_[A-Za-z0-9]{37}(?![A-Za-z0-9])"),
    (b"lin_api_", rb"lin_api_[A-Za-z0-9]{40}"),
    (b"ntn_", rb"ntn_[0-9]{11}[A-Za-z0-9]{35}"),
    (b"tskey-", rb"tskey-[a-z]{3,8}-[A-Za-z0-9]{8,20}-[A-Za-z0-9]{20}"),
    (b"sntr", rb"sntr[yu]s?_[A-Za-z0-9+/=_-]{60}"),
    (b"pscale_", rb"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9=._-]{32}"),
    (b"xkeysib-", rb"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    (b"-us", rb"[a-f0-9]{32}-us\d{1,2}(?![A-Za-z0-9])"),
    (b"key-", rb"key-[a-f0-9]{32}(?![a-f0-9])"),
    (b"/api/webhooks/", rb"https://(?:[a-z]{1,10}\.)?discord(?:app)?\.com/api/webhooks/\d{15,22}/[A-Za-z0-9_-]{60}"),
    (b"pat", rb"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    (b"secret_", rb"secret_[A-Za-z0-9]{43}(?![A-Za-z0-9])"),
    (b"figd_", rb"figd_[A-Za-z0-9_-]{40}"),
    (b"FlyV1 ", rb"FlyV1 fm\d[a-z]?_[A-Za-z0-9+/=_-]{100}"),
    (b"HRKU-", rb"HRKU-(?:AA)?[A-Za-z0-9_-]{36}"),
    (b"dt0c01.", rb"dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    (b"glc_", rb"glc_[A-Za-z0-9+/]{32,400}={0,3}"),
    (b"pat-", rb"pat-(?:na|eu)\d-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
    (b"ops_eyJ", rb"ops_eyJ[A-Za-z0-9+/]{200}"),
    (b"AKCp", rb"AKCp[A-Za-z0-9]{69}"),
    (b"LTAI", rb"LTAI[A-Za-z0-9]{20}(?![A-Za-z0-9])"),
    (b"pplx-", rb"pplx-[A-Za-z0-9]{48}"),
    (b"xai-", rb"xai-[A-Za-z0-9]{80}"),
    (b"lsv2_", rb"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    (b"nfp_", rb"nfp_[A-Za-z0-9]{36}"),
    (b"sb_secret_", rb"sb_secret_[A-Za-z0-9_-]{31}"),
    (b"pnu_", rb"pnu_[A-Za-z0-9]{36}"),
    (b"hvb.", rb"hvb\.[A-Za-z0-9_-]{100}"),
    (b"CFPAT-", rb"CFPAT-[A-Za-z0-9_-]{43}"),
    (b"sq0", rb"sq0(?:atp|csp)-[A-Za-z0-9_-]{22}"),
)  # fmt: skip
"""How a token begins, or what it contains, and an expression for the whole."""
_REMOTE_LOGIN: Final = rb"https?://(?:[^\s/@:]{0,200}:[^\s/@]{1,500}|(?!git@)[^\s/@:]{8,500})@"
_REMOTE_HEADER: Final = rb"(?i)extraheader\s{0,8}=\s{0,8}[\"']?authorization:\s{0,8}[a-z]{4,8}\s"
_AUTH: Final = rb"(?m)^[ \t]{0,8}[\w.*-]{0,100}password[ \t]{0,8}=[ \t]{0,8}\S|^password\nV \d"
"""Logins in the settings of Mercurial, and as Subversion keeps them."""
_SHAPES: Final = (
    (b'"private_key"', rb"\"private_key\"\s{0,8}:\s{0,8}\"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:\\n|\s){1,4}[A-Za-z0-9+/=]{8}"),
    (b'"auth"', rb"\"auth\"\s{0,8}:\s{0,8}\"[A-Za-z0-9+/]{12}"),
    (b"client-key-data:", rb"client-key-data:\s{0,8}[A-Za-z0-9+/]{40}"),
    (b"[remote ", _REMOTE_LOGIN),
    (b"extraheader", _REMOTE_HEADER),
    (b"PrivateKey", rb"(?m)^\s{0,8}PrivateKey\s{0,8}=\s{0,8}[A-Za-z0-9+/]{43}="),
    (b"PuTTY-User-Key-File-", rb"(?m)^PuTTY-User-Key-File-\d: "),
    (b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----", rb"-"),
)  # fmt: skip

# Values in place of a password: references, placeholders, or nothing.
_PLACEHOLDER: Final = (
    rb"(?!(?:[$<{%*\[(@]|null|none|nil\b|true|false|change|your|my[_-]|xxx|\.\.\.|todo|placeholder|dummy|example|test"
    rb"|secret\b|pass(?:word)?\b|env[.(]|process\.|os\.))"
)
_ASSIGNED: Final = (
    rb"(?i)\A\$ANSIBLE_VAULT|(?:password|passwd|passphrase|_pass|_pwd|\bpwd|secret|secret_?key|api_?key|access_?key(?:_id)?|private_?key"
    rb"|(?:access|refresh|auth|api|id|bot|app|deploy)_?token|npmauthident|(?<![a-z0-9_])token|[_-]auth|cleartextpassword)"
    rb"[\"']?(?:[ \t]{0,8}[=:]{1,2}[ \t]{0,8}|[\"']?[ \t]{1,8}value=)[\"']?"
    + _PLACEHOLDER
    + rb"(?!(?-i:[a-z]{1,7})(?:[\s\"',;]|\Z))"  # a word such as "config" is not a real password
    + rb"[^\s\"',;]{4}"
)
_LOGIN: Final = (
    rb"(?i)://[^\s/@:\"'<>{}$%]{0,100}:"
    + _PLACEHOLDER
    + rb"[^\s/@\"'<>{}$]{4,200}@|/t/[a-z]{2}-[0-9a-f-]{36}/"
)
_COMMENT: Final = rb"(?m)^[ \t]{0,100}[#;!].*$"
_TEMPLATED: Final = rb"\{\{|\{%|<%="
_RECORDED: Final = rb"(?i)\"name\"\s{0,20}:\s{0,20}\"(?:authorization|cookie|set-cookie|x-api-key)\"\s{0,20},\s{0,100}\"value\"\s{0,20}:\s{0,20}\"[^\"]"


def find_secret(data: bytes) -> bool:
    """Whether a content has a secret in it, regardless of the file's name."""
    if _PRIVATE in data and any(
        _is_key(data, match.end()) for match in _expression(_FRAME).finditer(data)
    ):
        return True
    if b"\0" in data[:_BINARY_BYTES]:
        return False  # tokens are found in texts
    for begin, pattern in _TOKENS:
        if begin in data and any(map(_is_random, _expression(_ALONE + pattern).findall(data))):
            return True
    return any(word in data and _expression(shape).search(data) for word, shape in _SHAPES)


@cache
def _expression(pattern: bytes) -> re.Pattern[bytes]:
    """Compile an expression when it is needed: few files need any, and all together take longer than a small project."""
    return re.compile(pattern)


def _is_key(data: bytes, at: int) -> bool:
    """Whether a key follows a frame, and not an ellipsis, or nothing."""
    body = data[at : at + _KEY_WINDOW].partition(b"-----")[0]
    body = _expression(_BREAK).sub(b"", _expression(_FRAME_HEADERS).sub(b"", body))
    found = _expression(_BASE64).match(body)
    return found is not None and len(found[0]) >= _KEY_BYTES and _is_random(found[0])


def _is_random(token: bytes) -> bool:
    """Whether a text looks random, and is not an example."""
    return len(set(token)) >= _DISTINCT and _expression(_EXAMPLE).search(token) is None


def is_public(data: bytes) -> bool:
    """Whether a file named like a key contains something else: a certificate, a public key, slides, or nothing."""
    if _PRIVATE in data or is_der_key(data):
        return False
    return (
        _expression(_PUBLIC).match(data) is not None
        or b"-----BEGIN " in data
        or b"---- BEGIN SSH2 PUBLIC" in data
    )


def is_der_key(data: bytes) -> bool:
    """Whether a content is a private key in DER."""
    return _expression(_DER_KEY).match(data) is not None


def is_templated(data: bytes) -> bool:
    """Whether the values are put in elsewhere."""
    return _expression(_TEMPLATED).search(data) is not None


def is_prose(data: bytes) -> bool:
    """Whether a text is prose, such as a page of a manual."""
    lines = [line for line in data.splitlines() if line.strip()]
    return 4 * sum(len(line.split()) >= _SENTENCE_WORDS for line in lines) > len(lines)


def records_login(data: bytes) -> bool:
    """Whether recorded requests have a cookie, or another login."""
    return _expression(_RECORDED).search(data) is not None


def sets_password(data: bytes) -> bool:
    """Whether a password, a token, or a login in a URL is written out in settings."""
    data = _expression(_COMMENT).sub(b"", data)
    return any(_expression(pattern).search(data) for pattern in (_ASSIGNED, _LOGIN))


def remembers_login(data: bytes) -> bool:
    """Whether a file of a version control system has the login of a remote repository."""
    patterns = (_REMOTE_LOGIN, _REMOTE_HEADER, _AUTH)
    return any(_expression(pattern).search(data) for pattern in patterns)
