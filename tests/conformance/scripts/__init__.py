"""Whole scripts, run as a user runs them. What is imported here is what holds on every engine; `tests/engine` has the tests themselves."""
