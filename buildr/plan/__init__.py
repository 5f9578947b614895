"""All that is decided from files and options alone, without an engine: entry, root, dependencies, Containerfile, fingerprint.

It may import `buildr.archive`, `buildr.context`, `buildr.dependencies` and `buildr.options`; of `buildr.engines` the records alone.
"""
