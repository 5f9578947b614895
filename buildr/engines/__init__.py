"""The interface between Buildr and container engines: protocols, the records that cross it, and the registry of backends.

Backends import it; it imports them only through the registry. It may import `buildr.options` and `buildr.host`.
"""
