"""The context: which files are sent to the build, and whether they have changed since the last look.

It imports `buildr.host`, and neither options nor engines.
"""
