"""Podman: rootless or not, through the libpod API, with no daemon needed."""
