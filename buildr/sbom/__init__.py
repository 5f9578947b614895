"""Lists what is installed in an image (software bill of materials): `inventory` reads the files, `document` writes CycloneDX.

No program of the image runs, so an image cannot lie with one; it can only leave things out of its package
databases. It may import `buildr.run` and everything below.
"""
