"""The interface between Buildr and container engines: protocols, the records that cross it, and the registry of backends.

Backends import it; it imports none of them, except through the registry. It imports `buildr.options` and `buildr.host`.
"""
