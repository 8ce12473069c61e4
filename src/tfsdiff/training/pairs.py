"""Conditions and target images to train on, in memory, and their random crops."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tfsdiff.errors import InputError
from tfsdiff.params import Train


@dataclass(frozen=True)
class Pairs:
    """Examples of a conditional diffusion, in [-1, 1].

    Attributes:
        condition: (N, C, H, W).
        target: (N, 3, H, W).
        grid: crops start at multiples of this many pixels. With the scale of the enlargement, the
            low-resolution grid lies in every crop as it lies in a whole image.
    """

    condition: Tensor
    target: Tensor
    grid: int

    def __post_init__(self) -> None:
        same = len(self.condition) == len(self.target)
        if not same or self.condition.shape[-2:] != self.target.shape[-2:]:
            shapes = f"{tuple(self.condition.shape)} and {tuple(self.target.shape)}"
            raise ValueError(f"conditions and targets do not fit: {shapes}")

    def __len__(self) -> int:
        return len(self.target)

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width."""
        return self.target.shape[-2], self.target.shape[-1]

    def draw(
        self, indices: Tensor, settings: Train, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Cut the same random crop from condition and target, and flip both alike.

        Returns:
            (B, C, h, w) and (B, 3, h, w); whole images where `settings.crop_pixels` is None.
        """
        height, width = (min(side, settings.crop_pixels or side) for side in self.pixels)
        crops = []
        for i in indices.tolist():
            top, left, flip = self._place(height, width, generator)
            window = (..., slice(top, top + height), slice(left, left + width))
            pair = torch.cat([self.condition[i][window], self.target[i][window]])
            crops.append(pair.flip(-1) if flip and settings.flip else pair)
        return tuple(torch.stack(crops).split([self.condition.shape[1], 3], dim=1))

    def _place(self, height: int, width: int, generator: torch.Generator) -> tuple[int, int, bool]:
        u = torch.rand(3, generator=generator).tolist()
        rows = (self.pixels[0] - height) // self.grid + 1
        columns = (self.pixels[1] - width) // self.grid + 1
        return int(u[0] * rows) * self.grid, int(u[1] * columns) * self.grid, u[2] < 0.5


def pad_to_multiple(images: Tensor, step: int) -> Tensor:
    """Repeat the last row and column of (B, C, H, W) until H and W are multiples of `step`."""
    height, width = images.shape[-2:]
    if height % step == 0 and width % step == 0:
        return images
    return F.pad(images, (0, -width % step, 0, -height % step), mode="replicate")


def check_crop(settings: Train, step: int) -> None:
    """Refuse crops that the network cannot take."""
    if settings.crop_pixels is not None and settings.crop_pixels % step:
        raise InputError(
            f"train.crop_pixels: {settings.crop_pixels} must be a multiple of {step}, as the U-Net "
            "halves it that often; change it or shorten unet.multipliers"
        )
