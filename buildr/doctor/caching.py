"""The check of the cache folder."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from buildr.doctor.model import Check
from buildr.host import cache
from buildr.host.private_folders import RefusedError, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


def checks() -> Iterator[Check]:
    """Check that the cache folder is private; one that is, or that does not exist, is not mentioned."""
    path = cache.directory()
    try:
        os.close(open_folder(path))
    except RefusedError as error:
        yield Check(
            name="cache",
            status="warn",
            text=f"nothing is kept for later runs, which take longer: {path} is refused, {error.strerror}",
            advice=f"Remove it, take the right to write there from others (chmod go-w {shlex.quote(path)}), or set"
            " XDG_CACHE_HOME to a directory of your own.",
        )
    except OSError:
        return
