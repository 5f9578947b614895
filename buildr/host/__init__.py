"""This process and its machine: signals, terminal, temporary files, caches, exit status.

It imports nothing of Buildr but `buildr.errors`.
"""
