"""Conditions and target images to train on, in memory, and their random crops."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.params import Train


@dataclass(frozen=True)
class ConditionalExamples:
    """Examples of a conditional diffusion, in [-1, 1].

    Attributes:
        names: what to call the examples in errors.
        condition: (N, C, H, W).
        target: (N, 3, H, W).
        grid: crops start at multiples of this many pixels. With the scale of the enlargement, the
            low-resolution grid lies in every crop as it lies in a whole image.
    """

    names: tuple[str, ...]
    condition: Tensor
    target: Tensor
    grid: int

    def __post_init__(self) -> None:
        same = len(self.names) == len(self.condition) == len(self.target)
        if not same or self.condition.shape[-2:] != self.target.shape[-2:]:
            shapes = f"{tuple(self.condition.shape)} and {tuple(self.target.shape)}"
            raise ValueError(f"names, conditions and targets do not fit: {shapes}")

    def __len__(self) -> int:
        return len(self.target)

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width."""
        return self.target.shape[-2], self.target.shape[-1]

    def take(self, count: int) -> "ConditionalExamples":
        """About `count` of these examples, evenly spread; all of them where there are fewer."""
        if count >= len(self):
            return self
        places = [(2 * i + 1) * len(self) // (2 * count) for i in range(count)]
        names = tuple(self.names[i] for i in places)
        return ConditionalExamples(names, self.condition[places], self.target[places], self.grid)

    def draw(
        self, indices: Tensor, settings: Train, generators: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Cut the same random crop from condition and target, and turn both alike.

        Args:
            indices: (B,) examples.
            settings: size of the crops, and how to augment.
            generators: one an example.

        Returns:
            (B, C, h, w) and (B, 3, h, w); whole images where `settings.crop_pixels` is None.
        """
        crops = [
            crop(torch.cat([self.condition[i], self.target[i]]), settings, self.grid, generator)
            for i, generator in zip(indices.tolist(), generators, strict=True)
        ]
        return tuple(torch.stack(crops).split([self.condition.shape[1], 3], dim=1))


def crop(images: Tensor, settings: Train, grid: int, generator: torch.Generator) -> Tensor:
    """Cut a random crop from images stacked by their channels, and turn it at random.

    Args:
        images: (C, H, W).
        settings: size of the crop, and how to augment.
        grid: crops start at multiples of this many pixels.
        generator: of place and turn.

    Returns:
        (C, h, w); the whole images where `settings.crop_pixels` is None or larger than they are.
    """
    sides = images.shape[-2:]
    height, width = (min(side, settings.crop_pixels or side) for side in sides)
    u = torch.rand(4, generator=generator).tolist()
    rows, columns = ((s - n) // grid + 1 for s, n in zip(sides, (height, width), strict=True))
    top, left = int(u[0] * rows) * grid, int(u[1] * columns) * grid
    part = images[..., top : top + height, left : left + width]
    if settings.augment != "none" and u[2] < 0.5:
        part = part.flip(-1)
    return part.rot90(int(4 * u[3]), (-2, -1)) if settings.augment == "square" else part


def pad_to_multiple(images: Tensor, step: int) -> Tensor:
    """Repeat the last row and column of (B, C, H, W) until H and W are multiples of `step`."""
    height, width = images.shape[-2:]
    if height % step == 0 and width % step == 0:
        return images
    return F.pad(images, (0, -width % step, 0, -height % step), mode="replicate")


def check_crop(settings: Train, step: int, pixels: tuple[int, int]) -> None:
    """Refuse crops that the network cannot take, and turns of crops that are not square."""
    if settings.crop_pixels is not None and settings.crop_pixels % step:
        raise InputError(
            f"train.crop_pixels: {settings.crop_pixels} must be a multiple of {step}, as the U-Net "
            "halves it that often; change it or shorten unet.multipliers"
        )
    height, width = (min(side, settings.crop_pixels or side) for side in pixels)
    if settings.augment == "square" and height != width:
        raise InputError(
            f"train.augment: square needs square crops, not {height} x {width}; set "
            "train.crop_pixels or train.augment=flip"
        )
