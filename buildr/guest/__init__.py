"""The part of Buildr that travels into the image, on CPython 3.8 and newer. It imports only the standard library."""
