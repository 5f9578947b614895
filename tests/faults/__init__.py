"""Faults that are made to happen on real engines, and what must come of each: ``python -m tests.faults``."""
