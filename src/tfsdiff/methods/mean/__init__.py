"""The mean of the sources."""
