"""What the two engines have in common above HTTP: attached streams, exec, builds, transfers, credentials. It imports `http`."""
