"""Everything that is decided from files and options, without an engine: entry, root, Containerfile, fingerprint.

It may import `buildr.archive`, `buildr.context`, `buildr.dependencies` and `buildr.options`; of `buildr.engines` only
the records.
"""
