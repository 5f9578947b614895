"""Whole scripts, run as a user runs them. The modules import those tests of `tests/engine` that hold on every engine."""
