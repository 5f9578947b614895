"""Addresses of hosts as text."""

from __future__ import annotations


def in_address(ip: str) -> str:
    """Return an IP address as it stands before a colon and a port: an IPv6 one in brackets (RFC 3986, "IP-literal")."""
    return f"[{ip}]" if ":" in ip else ip
