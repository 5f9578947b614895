"""A list of what is installed in an image (software bill of materials): `inventory` reads it from files, `document` writes CycloneDX.

Nothing of the image is run, so an image cannot lie by a program of its own; it can only leave things out of its package
databases. It may import `buildr.run` and what is below it.
"""
