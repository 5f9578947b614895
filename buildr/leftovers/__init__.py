"""What runs and builds have left on an engine: whose it is, and how it goes."""
