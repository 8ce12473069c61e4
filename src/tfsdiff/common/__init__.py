"""Errors, files, progress bars, signals: used by all packages, without influence on results."""
