"""A module whose import fails."""

raise RuntimeError("libengine.so was not found")
