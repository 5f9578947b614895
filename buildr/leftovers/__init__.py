"""Leftovers of runs and builds, on engines and in the cache: locks, marks, old images; and their removal.

It may import `buildr.installer`, `buildr.run` and what is below them.
"""
