"""Docker: any dockerd from 20.10, rootless or not. It imports `shared` and `http`, and never `podman`."""
