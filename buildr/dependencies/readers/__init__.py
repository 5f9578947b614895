"""One module for each kind of file that names dependencies; each has ``accepts``, ``find`` and ``read``."""
