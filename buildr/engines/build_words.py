"""What a build is doing, in words: from its steps and the lines that package managers print."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildr.engines.records import Event

_STEPS = (
    (re.compile(r"\b(?:apk add|apt-get)\b"), "installing system packages"),
    (re.compile(r"\bpip3?\b.*\binstall\b"), "installing packages"),
    (re.compile(r"^(?:COPY|ADD)\b.*\bcontext/"), "copying the source"),
    (re.compile(r"^RUN mkdir -p /app\b"), "preparing the image"),
)
# These take no time, and say nothing to a reader.
_SILENT = re.compile(
    r"^(?:FROM|ARG|ENV|WORKDIR|USER|LABEL|EXPOSE|ENTRYPOINT|CMD|VOLUME|SHELL|STOPSIGNAL|HEALTHCHECK|COPY|ADD)\b"
)
_COLLECTED = re.compile(r"Collecting ([\w.-]+)")
_INSTALLS = re.compile(r"Installing collected packages: (.+)")
_DETAILS = (
    # pip; a file of metadata is not worth a word.
    (
        re.compile(r"\s*Downloading (?:\S*/)?([\w.]+?)-\d\S*(?<!\.metadata) (\([\d.]+ .B\))"),
        r"downloading \1 \2",
    ),
    (re.compile(r"\s*Building wheel for ([\w.-]+).*"), r"building \1"),
    (re.compile(r"\s*Installing build dependencies.*"), "preparing to build"),
    # apk, apt-get
    (re.compile(r"\(\d+/\d+\) Installing (\S+).*"), r"installing \1"),
    (
        re.compile(r"Get:\d+ \S+ \S+ (?:\S+ )?(\S+) \S+ \S+ \[([\d.,]+ .?B)\]"),
        r"downloading \1 (\2)",
    ),
    (re.compile(r"(?:Setting up|Unpacking) (\S+).*"), r"installing \1"),
)
_OF_PACKAGES = ("installing packages", "installing system packages")


class BuildWords:
    """The step that a build is at, and what it does there.

    Attributes:
        step: such as ``installing 3 packages``; empty before the first one.
        detail: such as ``downloading scikit-learn (9.1 MB)``; may be empty.
    """

    def __init__(self) -> None:
        self.step = self.detail = ""
        self._kind = ""
        self._collected: set[str] = set()

    def take(self, event: Event) -> None:
        """Take an event of a build, a pull or a push; one about an image is not for people."""
        if event.kind == "step":
            self._begin(event)
        elif event.kind == "log":
            self._read(event.text)
        elif event.kind == "upload":
            self.detail = f"sending the source, {event.current / 1e6:.1f} MB"
        elif event.kind == "transfer":
            size = f" {event.current / 1e6:.1f}/{event.total / 1e6:.1f} MB" if event.total else ""
            self.detail = event.text + size

    def _begin(self, event: Event) -> None:
        text = " ".join(event.text.split())
        self.detail = ""
        self._collected.clear()
        found = next((words for pattern, words in _STEPS if pattern.search(text)), "")
        if found:
            self._kind = self.step = found
        elif not _SILENT.match(text):
            self._kind = "own"
            self.step = f"step {event.current}/{event.total} {text}"

    def _read(self, line: str) -> None:
        if self._kind not in _OF_PACKAGES:
            self.detail = line
            return
        for pattern, words in _DETAILS:
            if found := pattern.match(line):
                name = found.expand(words).replace("_", "-")
                self.detail = name
                return
        if self._kind == "installing system packages":
            return
        if found := _INSTALLS.match(line):
            self._count(len(found[1].split(",")))
            self.detail = ""
        elif found := _COLLECTED.match(line.lstrip()):
            self._collected.add(found[1])
            self._count(len(self._collected))

    def _count(self, number: int) -> None:
        self.step = f"installing {number} package{'' if number == 1 else 's'}"
