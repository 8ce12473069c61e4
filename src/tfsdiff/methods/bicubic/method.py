"""Control: bicubic enlargement."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tfsdiff.data.resample import enlarge
from tfsdiff.methods.base import Enlarger
from tfsdiff.params import Section


class Settings(Section):
    """Nothing to set."""


class Bicubic(Enlarger):
    """Enlarges by the kernel that made the low-resolution images."""

    name = "bicubic"
    Settings = Settings

    def enlarge(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Enlarge (B, 3, h, w) in [0, 1] to (B, 3, h * scale, w * scale) in [0, 1]."""
        return enlarge(images, self.scale)
