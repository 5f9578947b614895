"""Benchmarks of Buildr against the engines' own commands: ``python -m benchmarks``. See ``docs/performance.md``."""
