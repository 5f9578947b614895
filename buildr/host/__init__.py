"""This process and its machine: signals, terminal, temporary files, caches, exit status.

Imports nothing of Buildr but its errors.
"""
