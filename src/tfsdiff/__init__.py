"""Tri-modal medical image fusion with super-resolution: the TFS-Diff experiments, reproducible."""

from tfsdiff import _torchvision

__version__ = "0.1.0"

_torchvision.install()
