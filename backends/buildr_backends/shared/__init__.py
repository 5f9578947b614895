"""The common parts of both engines above HTTP: attached streams, exec, builds, transfers, credentials. It imports `http`."""
