"""The adapters to the engines: one package per engine, and shared code. It may import `buildr.engines` and everything below."""
