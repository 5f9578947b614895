"""Podman: rootless or not, through the libpod API, without a daemon. It imports `shared` and `http`, and never `docker`."""
