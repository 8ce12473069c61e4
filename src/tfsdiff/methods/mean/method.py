"""Control: the mean of the three sources."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tfsdiff.core.tensors import Batch
from tfsdiff.methods.base import Fuser
from tfsdiff.params import Section


class Settings(Section):
    """Nothing to set."""


class Mean(Fuser):
    """Averages the RGB sources, all with the same weight."""

    name = "mean"
    Settings = Settings

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse `batch.sources` to (B, 3, H, W) in [0, 1]."""
        return batch.sources.mean(1)
