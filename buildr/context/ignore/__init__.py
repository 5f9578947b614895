"""Ignore files: where they are, what their patterns mean, and what is left out without one."""
