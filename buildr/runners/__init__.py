"""Where an image runs: on a local engine, or written down for somebody else to run."""
