"""Properties of the readers of untrusted files, in a checkout or in an image."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from buildr.archive.header import FILE, header
from buildr.config import trust
from buildr.config.decorated import read_decorator
from buildr.config.layers import Reach
from buildr.context.ignore.rules import IgnoreRules
from buildr.context.secret_contents import find_secret
from buildr.errors import BuildrError, ContextError, EngineLostError
from buildr.options.wait_for import wait_for
from buildr.plan.dockerfile import bases, frontend, needed_bases, needs, without_frontend
from buildr.plan.dockerfile_reach import reach
from buildr.plan.env_files import read_env_files
from buildr.sbom.inventory import read_archive

_PATHS = ("a", "a/b", "a/b/c.py", ".git/config", "ü/x y", "a\nb", "-", "[", "\\")
_RECORDS = (
    *("usr/lib/python3/x.dist-info/METADATA", "var/lib/dpkg/status", "lib/apk/db/installed"),
    *("etc/os-release", "x/y.egg-info/PKG-INFO"),
)


def ignored(data: bytes) -> None:
    """Match the patterns of an ignore file: a verdict for every path, inherited below a folder, or our error."""
    try:
        rules = IgnoreRules.parse(os.fsdecode(data))
    except ContextError:
        return
    for path in _PATHS:
        verdict = rules.excludes(path)
        assert rules.excludes(path) is verdict
        if verdict and not rules.may_reinclude(path):
            assert rules.excludes(f"{path}/below")


def containerfiles(data: bytes) -> None:
    """Read a Containerfile: the needed images are a subset of the named ones, whatever the builder."""
    assert set(needed_bases(data)) <= set(bases(data))
    assert all(line > 0 for line in needs(data).values())
    plain = without_frontend(data)
    assert plain.count(b"\n") == data.count(b"\n")
    if not frontend(plain):
        assert set(reach(plain)) <= set(reach(data))


def variables(data: bytes) -> None:
    """Read a file of variables: text, or our own error without any value in it."""
    with tempfile.TemporaryDirectory(prefix="buildr-fuzz-") as folder:
        path = Path(folder) / ".env"
        path.write_bytes(data)
        try:
            found = read_env_files((str(path),))
        except BuildrError:
            return
    assert all("\0" not in f"{name}{value}" for name, value in found.items())


def scripts(data: bytes) -> None:
    """Read the decorator from a script's source: options, or our own error. None of the source runs."""
    with tempfile.TemporaryDirectory(prefix="buildr-fuzz-") as folder:
        path = Path(folder) / "app.py"
        path.write_bytes(data)
        try:
            found = read_decorator(str(path))
        except BuildrError:
            return
        assert all("\n" not in note for note in found.notes)


def contents(data: bytes) -> None:
    """Look for secrets in a file: a verdict for any content."""
    assert find_secret(data) in (True, False)


def records(data: bytes) -> None:
    """Read the records of an image's package managers: packages with a name, or our own error."""
    parts = [
        header(path.encode(), FILE, mode=0o644, size=len(data)) + data + bytes(-len(data) % 512)
        for path in _RECORDS
    ]
    try:
        found = read_archive([*parts, bytes(1024)])
    except EngineLostError:
        return
    assert all(package.name and package.version for package in found.packages)


def conditions(data: bytes) -> None:
    """Read a condition to wait for: one that survives a round trip, or our own error."""
    try:
        found = wait_for(os.fsdecode(data))
    except BuildrError:
        return
    assert wait_for([str(one) for one in found]) == found


def trusted(data: bytes) -> None:
    """Two lists of requested permissions have the same key only if they are equal."""
    lists = [
        tuple(Reach(*_pair(line)) for line in part.split(b"\n")) for part in data.split(b"\n\n", 1)
    ]
    keys = {trust._key("/srv/project", one) for one in lists}
    assert len(keys) == len(set(lists))


def _pair(line: bytes) -> tuple[str, str]:
    option, _, what = line.decode(errors="replace").replace("\0", "").partition(" ")
    return option, what


TARGETS = {
    "ignored": ignored,
    "containerfiles": containerfiles,
    "variables": variables,
    "scripts": scripts,
    "contents": contents,
    "records": records,
    "conditions": conditions,
    "trusted": trusted,
}
SEEDS = {
    "ignored": [b"*.py\n!a/**/b\n[a-z]*\\x\n", b"**/a\n!**/[!b]?\n", b"\xff\n# x\n a b \n"],
    "containerfiles": [
        b"# syntax=docker/dockerfile:1\nARG V=3\nFROM x:$V AS a\nRUN --mount=type=cache,target=/x <<E\ny\nE\nFROM a\nCOPY --from=a b c\n",
        b'# escape=`\nFROM a `\n AS b\nADD ["http://h/", "/x"]\nONBUILD RUN --network=host x\n',
    ],
    "variables": [b"A=1\nexport B='x y'\nC\n# x\nD=\"\\n$A\"\n", b"\xef\xbb\xbfA=1\r\n"],
    "scripts": [
        b"from buildr import Containerize as c\nX = {'a': 1}\n@c(package={**X}, runtime={'ports': [1 + 1]})\ndef f(): pass\nf()\n",
        b"import buildr\nclass A:\n  @buildr.Containerize\n  def f(self): pass\n",
    ],
    "contents": [
        b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n-----END PRIVATE KEY-----\n",
        b'{"private_key": "-----BEGIN RSA PRIVATE KEY-----\\n"}',
        b"AKIAQ3EGQJ5ZXW7BTHFL ghp_0123456789abcdefABCDEF0123456789abcd",
    ],
    "records": [
        b"Name: x\nVersion: 1\nLicense: MIT\n\n",
        b"Package: x\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n",
        b'P:x\nV:1\nA:all\nL:MIT\n\nID=debian\nVERSION_ID="12"\n',
    ],
    "conditions": [b"log:(a+)+b", b"http:80/a?b", b"port:8080", b"healthy"],
    "trusted": [b"runtime.env your variable A\n\nruntime.env your variable B", b"a b\nc d\n\na b"],
}
