"""Tar streams, written and read: headers, sparse files, bounded memory, the same bytes each time.

It imports `buildr.context`, whose files it packs, and `buildr.host`.
"""
