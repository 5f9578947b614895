"""What a script imports: the decorator, and the errors of its misuse.

It may import everything below it; only the package itself and `buildr.testing` import it.
"""
