"""Images of projects: lookup, incremental and clean builds, publishing.

It may import `buildr.installer`, `buildr.leftovers`, `buildr.plan` and everything below; never `buildr.runners`.
"""
