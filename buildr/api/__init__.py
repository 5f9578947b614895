"""What a script imports: the decorator, and the errors of its misuse.

It may import everything below it; nothing but the package itself and `buildr.testing` imports it.
"""
