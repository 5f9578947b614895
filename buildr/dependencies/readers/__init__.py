"""One module for each kind of file that names dependencies: a `buildr.dependencies.model.Source`."""
