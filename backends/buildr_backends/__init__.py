"""The adapters to the engines: one module for each, and what they share."""
