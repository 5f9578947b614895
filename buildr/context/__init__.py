"""The context: which files are sent to the build, and how they are packed."""
