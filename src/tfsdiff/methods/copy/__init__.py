"""One of the sources, as it is."""
