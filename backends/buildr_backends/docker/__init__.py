"""Docker: any dockerd from 20.10, rootless or not."""
