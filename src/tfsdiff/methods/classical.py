"""Classical fusers: they compute on NumPy arrays, one group at a time."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tfsdiff.core.tensors import Batch
from tfsdiff.data.colour import grey, rgb_to_yuv, yuv_to_rgb
from tfsdiff.methods.base import Fuser

PairFusion = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of two images (H, W)


@dataclass(frozen=True)
class Group:
    """Registered images of one slice, float in [0, 1].

    Attributes:
        anatomical_1, anatomical_2: grey, (H, W).
        functional: RGB, (H, W, 3).
    """

    anatomical_1: np.ndarray
    anatomical_2: np.ndarray
    functional: np.ndarray

    def __post_init__(self) -> None:
        shape = self.anatomical_1.shape
        same = self.anatomical_2.shape == shape and self.functional.shape == (*shape, 3)
        if len(shape) != 2 or not same:
            raise ValueError(
                f"images must be (H, W), (H, W), (H, W, 3), not {shape}, "
                f"{self.anatomical_2.shape}, {self.functional.shape}"
            )


class ClassicalFuser(Fuser):
    """Fuses each group by itself, by `fuse_group`."""

    @abstractmethod
    def fuse_group(self, group: Group, generator: torch.Generator) -> np.ndarray:
        """Fuse a group, in float64, to RGB (H, W, 3) in [0, 1]."""

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
        fused = self.fuse_group(Group(grey(images[0]), grey(images[1]), images[2]), generator)
        return torch.from_numpy(np.ascontiguousarray(fused.transpose(2, 0, 1)))


def fuse_two_by_two(
    group: Group, anatomical: PairFusion, functional: PairFusion
) -> tuple[np.ndarray, np.ndarray]:
    """Fuse the anatomical images, then their fusion with the luminance of the functional image.

    Args:
        group: the images.
        anatomical: fuses the anatomical images to one, which may leave [0, 1].
        functional: fuses that one and the luminance (Y of YUV); the chroma is carried over.

    Returns:
        Fusion (H, W, 3) in [0, 1], and that of the anatomical images (H, W), not clipped.
    """
    intermediate = anatomical(group.anatomical_1, group.anatomical_2)
    yuv = rgb_to_yuv(np.asarray(group.functional, np.float64))
    yuv[..., 0] = functional(intermediate, yuv[..., 0])
    return np.clip(yuv_to_rgb(yuv), 0, 1), intermediate
