"""A fake mmdebstrap (the real one takes half a minute): it records its arguments, and makes a system of one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """\
#!/bin/sh
# The last three words are the release, the archive and the line of the mirror.
for word in "$@"; do
    printf '%s\\n' "$word" >>"{reported}"
    before=$last
    last=$word
done
case $last in
    *broken*) echo "E: the mirror is broken" >&2; exit 25 ;;
esac
cd "{folder}" && tar -cf "$before" system
"""


def stand_in(folder: Path) -> Path:
    """Write the program into a directory ``bin`` for ``PATH``; return the file that records its arguments."""
    (folder / "bin").mkdir()
    (folder / "system").write_text("of one file")
    reported = folder / "reported"
    program = folder / "bin" / "mmdebstrap"
    program.write_text(PROGRAM.format(reported=reported, folder=folder))
    program.chmod(0o755)
    return reported
