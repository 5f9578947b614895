"""A module that does not survive its import."""

raise RuntimeError("libengine.so was not found")
