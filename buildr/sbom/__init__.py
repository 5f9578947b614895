"""A list of what is installed in an image (software bill of materials): read from its files, written as CycloneDX.

Nothing of the image is run, so an image cannot lie by a program of its own; it can only leave things out of its package
databases. `inventory` reads, `document` writes. It may import `buildr.run` and what is below it.
"""
