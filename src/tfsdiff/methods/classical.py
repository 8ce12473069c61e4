"""Classical fusers: they compute on NumPy arrays, one group at a time."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tfsdiff.core.tensors import Batch
from tfsdiff.data.colour import grey
from tfsdiff.methods.base import Fuser

Group = tuple[np.ndarray, np.ndarray, np.ndarray]  # anatomical (H, W) twice, functional (H, W, 3)


class Classical(Fuser):
    """Fuses each group by itself, by `fuse_group`."""

    @abstractmethod
    def fuse_group(self, images: Group, generator: torch.Generator) -> np.ndarray:
        """Fuse the images of a group, float64 in [0, 1].

        Returns:
            RGB (H, W, 3) in [0, 1].
        """

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse `batch.sources` to (B, 3, H, W) in [0, 1]; one generator an image."""
        fused = [
            self._fuse_sources(sources, generator)
            for sources, generator in zip(batch.sources, generators, strict=True)
        ]
        return torch.stack(fused).to(batch.sources)

    def _fuse_sources(self, sources: Tensor, generator: torch.Generator) -> Tensor:
        """Fuse (3, 3, H, W) to (3, H, W)."""
        images = sources.double().permute(0, 2, 3, 1).cpu().numpy()
        fused = self.fuse_group((grey(images[0]), grey(images[1]), images[2]), generator)
        return torch.from_numpy(np.ascontiguousarray(fused.transpose(2, 0, 1)))


def check_group(anatomical_1: np.ndarray, anatomical_2: np.ndarray, functional: np.ndarray) -> None:
    """Refuse images that are not (H, W), (H, W) and (H, W, 3), by a ValueError."""
    shape = anatomical_1.shape
    if len(shape) != 2 or anatomical_2.shape != shape or functional.shape != (*shape, 3):
        raise ValueError(
            f"images must be (H, W), (H, W), (H, W, 3), not {shape}, {anatomical_2.shape}, "
            f"{functional.shape}"
        )
