"""Control: bicubic enlargement."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tfsdiff.data.degrade import enlarge
from tfsdiff.params import Section
from tfsdiff.zoo.base import Enlarger


class Settings(Section):
    """Nothing to set."""


class Bicubic(Enlarger):
    """Enlarges by the kernel that made the low-resolution images."""

    Settings = Settings

    def enlarge(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Enlarge (B, 3, h, w) in [0, 1] to (B, 3, h * scale, w * scale) in [0, 1]."""
        return enlarge(images, self.scale)
