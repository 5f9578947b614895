"""HTTP over an engine's socket: connections, requests, answers. It imports `buildr.errors` and `buildr.host`, and no adapter."""
