"""Writes reproducible tar streams and reads foreign ones, both in bounded memory.

It may import `buildr.context`, whose files it packs, and `buildr.host`.
"""
