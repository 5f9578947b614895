"""What Buildr costs, measured against the engines' own commands: ``python -m benchmarks``; see ``docs/performance.md``."""
