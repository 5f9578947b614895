"""Ignore files: their places, the semantics of their patterns, and the defaults."""
