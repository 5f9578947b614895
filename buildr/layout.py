"""Where things are in an image: paths that the Containerfile, the run and the guest agree on."""

from __future__ import annotations

APP = "/app"
"""Where the context is in an image."""
GUEST_ROOT = "/usr/local/lib/buildr"
"""Where the guest part is in an image."""
DEPENDENCIES_ROOT = "/usr/local/share/buildr/dependencies"
"""Where the staged requirement files are in an image."""
INIT = f"{GUEST_ROOT}/buildr/guest/init.py"
CALL = f"{GUEST_ROOT}/buildr/guest/call.py"
"""The program for call mode: `buildr.guest.call`."""
DEBUG = f"{GUEST_ROOT}/buildr/guest/debug.py"
"""The program that waits for a debugger: `buildr.guest.debug`."""
DEBUGGER_ROOT = "/usr/local/lib/buildr-debugger"
"""Where the debugger is installed in an image that has one."""
ENTRYPOINT = ("python", "-IS", INIT)
"""The first process: `buildr.guest.init`. -I and -S keep the user's environment and packages out of it."""
MARKERS = {"BUILDR_IN_CONTAINER": "true", "METAPARTICLE_IN_CONTAINER": "true"}
USER_ID = 1000
