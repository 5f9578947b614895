"""The part of Buildr that travels into the image: standard library only, CPython 3.8 and newer."""
