"""Tar streams, written and read: headers, sparse files, bounded memory, the same bytes each time.

Imports `buildr.context` for what is packed.
"""
