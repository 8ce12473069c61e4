"""SR3 (Saharia et al. 2021): enlarges one image by diffusion, conditioned on its enlargement.

Against TFS-Diff: one source a time instead of three, no gate, and as published the noise objective
alone.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from tfsdiff.core.tensors import CHANNELS, SOURCES
from tfsdiff.methods.base import Enlarger, Examples
from tfsdiff.methods.conditional import method, released
from tfsdiff.methods.conditional.method import ConditionalMethod, ConditionalPairs, ImageLoss
from tfsdiff.methods.conditional.psf import PSF, Weight
from tfsdiff.params import Section


class Settings(method.Settings):
    """Those of a conditional diffusion, and what TFS-Diff adds to the loss."""

    # of L_PSF, MSE and SSIM of the estimate alike, beside the noise objective; 0: SR3 as published
    psf_weight: Weight


class SR3(ConditionalMethod, Enlarger):
    """One network for all modalities, which it sees as RGB images without being told which."""

    Settings: ClassVar[type[Section]] = Settings
    name = "sr3"
    condition_channels = CHANNELS
    # 16 groups: the released configuration from 64 to 512 pixels.
    family = released.Family(
        "sr3", CHANNELS, released.LEARNING | {"psf_weight": 0.0}, narrow_groups=16
    )

    settings: Settings

    def image_loss(self) -> ImageLoss | None:
        """L_PSF at its weight, at all noise levels alike, or nothing where that is zero."""
        weight = self.settings.psf_weight
        return PSF(weight, weight, "uniform") if weight else None

    def pairs(self, examples: Examples) -> ConditionalPairs:
        """Enlarged and true sources of all groups as separate images: (3 N, 3, H, W) each."""
        low, high = (batch.sources.flatten(0, 1) for batch in (examples.low, examples.high))
        names = (f"{group} source {i}" for group in examples.low.groups for i in range(1, 4))
        repeats = tuple(count for count in examples.repeats for _ in range(SOURCES))
        return ConditionalPairs(tuple(names), self.enlarged(low), high, repeats)

    def enlarge(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Enlarge (B, 3, h, w) in [0, 1] to (B, 3, h * scale, w * scale) in [0, 1].

        A grey image (three equal channels) stays grey: its enlargement's channels are averaged.
        """
        drawn = self.draw(self.enlarged(images), generators)
        grey = (images == images[:, :1]).flatten(1).all(1).view(-1, 1, 1, 1)
        return torch.where(grey, drawn.mean(1, keepdim=True), drawn)
