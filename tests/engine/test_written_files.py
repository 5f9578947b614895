"""Files that the guest writes: copied to the project by ``outputs``, on each engine."""

from __future__ import annotations

BODY = """
    import os, sys
    os.makedirs("out/deep")
    for name in ("out/a.csv", "out/deep/b.csv", "else.txt"):
        print(name, file=open(name, "w"))
    os.symlink("/etc/passwd", "out/link.csv")
    sys.exit(3)
"""
