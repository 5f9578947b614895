"""Decides which files are sent to the build, and whether they have changed since the last scan.

It may import `buildr.host`, but neither options nor engines.
"""
