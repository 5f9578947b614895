"""What runs and builds leave behind, on engines and in the cache: locks, marks, old images; and how it is removed.

It may import `buildr.installer`, `buildr.run` and what is below them.
"""
