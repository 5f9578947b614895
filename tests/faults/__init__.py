"""Fault injection on real engines: ``python -m tests.faults``."""
