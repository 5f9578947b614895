"""The decorator, and the errors for its misuse.

It may import everything below it; only the package itself and `buildr.testing` import it.
"""
