"""Builds with BuildKit through Docker's API: the build, and the session in which it requests files, secrets and logins.

It works as Docker's command does: ``POST /session`` hands a connection over, on which the engine is a client of gRPC and
this process the server, and ``POST /build?version=2`` names that session. Only this package speaks gRPC, and only for a user's
own Containerfile.
"""
