"""Tri-modal medical image fusion with super-resolution: the TFS-Diff experiments, reproducible."""

__version__ = "0.1.0"
