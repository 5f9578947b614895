"""HTTP over an engine's socket: connections, requests, answers, as both engines speak it."""
