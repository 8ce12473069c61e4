"""TFS-Diff: fuses three low-resolution sources and enlarges the result, by one diffusion.

Against SR3: the condition is the stack of all three enlarged sources, the TMFA gate weighs its
channels, and L_PSF joins the noise objective. The target is the fused ground truth.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from tfsdiff.data.degrade import enlarge
from tfsdiff.fusers.base import Examples, Fuser
from tfsdiff.fusers.diffusing import Diffusing
from tfsdiff.nets.conditional import Gate
from tfsdiff.params import Count, Section
from tfsdiff.tensors import CHANNELS, SOURCES, Batch
from tfsdiff.training.conditional import Design

Weight = Annotated[float, Field(ge=0)]


class Settings(Section):
    """The two parts that the paper ablates."""

    tmfa: Gate  # sources: the paper; all: as released; none: ablated
    tmfa_ratio: Count  # channels to hidden units of the gate
    psf_weight: Weight  # of L_PSF beside the noise objective; 0: ablated
    psf_mse: Weight  # lambda_1
    psf_ssim: Weight  # lambda_2


class TFSDiff(Diffusing, Fuser):
    """Joint fusion and super-resolution."""

    Settings = Settings

    @property
    def design(self) -> Design:
        """The diffusion that the settings describe."""
        s = self.settings
        return Design(
            condition_channels=SOURCES * CHANNELS,
            gate=s.tmfa,
            gate_ratio=s.tmfa_ratio,
            psf_mse=s.psf_weight * s.psf_mse,
            psf_ssim=s.psf_weight * s.psf_ssim,
        )

    def pairs(self, examples: Examples) -> tuple[Tensor, Tensor]:
        """Stacked enlarged sources (N, 9, H, W), and the fused ground truth (N, 3, H, W)."""
        return self._condition(examples.low), examples.high.truth

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse low-resolution `batch.sources` to (B, 3, h * scale, w * scale) in [0, 1]."""
        return self.draw(self._condition(batch), generators)

    def _condition(self, low: Batch) -> Tensor:
        """Enlarged sources one after another: (B, 3, 3, h, w) to (B, 9, H, W)."""
        return enlarge(low.sources, self.scale).flatten(1, 2)
