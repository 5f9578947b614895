"""The adapters to the engines: one package for each, and what they share. It may import `buildr.engines` and what is below it."""
