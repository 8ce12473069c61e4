"""Shared by all packages, without influence on results: errors, files, progress bars, signals."""
