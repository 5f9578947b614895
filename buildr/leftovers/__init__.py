"""Finds and removes leftovers of runs and builds: containers, images, marks.

It may import `buildr.installer`, `buildr.run` and everything below.
"""
