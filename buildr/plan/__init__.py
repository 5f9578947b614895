"""All that is decided from files and options alone, without an engine: entry, root, dependencies, Containerfile, fingerprint."""
