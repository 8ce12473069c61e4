"""TFS-Diff: fuses three low-resolution sources and enlarges the result, by one diffusion.

Against SR3: the condition is the stack of all three enlarged sources, the TMFA gate weighs its
channels, and L_PSF joins the noise objective. The target is the fused ground truth.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.core.tensors import CHANNELS, SOURCES, Batch
from tfsdiff.diffusion.denoiser import Base, Parametrisation
from tfsdiff.methods.base import Examples, JointMethod
from tfsdiff.methods.conditional import method, released
from tfsdiff.methods.conditional.method import ConditionalMethod, ConditionalPairs, ImageLoss
from tfsdiff.methods.conditional.network import Gate
from tfsdiff.methods.conditional.psf import PSF, Levels, ReleasedPSF, Weight
from tfsdiff.params import Count, Section


class Settings(method.Settings):
    """What the paper ablates, and what was asked since."""

    # of the luminances of the sources: the first guess, to which the predictions `residual` and
    # `preconditioned` are added
    base: Literal["maximum", "mean"]
    tmfa: Gate  # sources: the paper; all: as released; none: ablated
    tmfa_ratio: Count  # channels to hidden units of the gate
    psf: Literal["estimate", "released"]  # L_PSF of the estimated image (paper), or as released
    psf_weight: Weight  # of L_PSF beside the noise objective; 0: ablated
    psf_mse: Weight  # lambda_1
    psf_ssim: Weight  # lambda_2
    psf_levels: Levels  # signal: weighted by alpha_bar; uniform: the paper


class TFSDiff(ConditionalMethod, JointMethod):
    """Joint fusion and super-resolution."""

    Settings: ClassVar[type[Section]] = Settings
    name = "tfsdiff"
    condition_channels = SOURCES * CHANNELS
    family = released.Family(
        "tfsdiff",
        SOURCES * CHANNELS,
        released.LEARNING
        | {
            "base": "maximum",  # of no effect on eps
            "tmfa": "all",
            "tmfa_ratio": 4,
            "psf": "released",
            "psf_weight": 1.0,
            "psf_mse": 0.0,
            "psf_ssim": 1.0,
            "psf_levels": "uniform",
        },
    )

    settings: Settings

    @property
    def gate(self) -> tuple[Gate, int]:
        """What TMFA acts on, and how far it squeezes."""
        return self.settings.tmfa, self.settings.tmfa_ratio

    @property
    def base(self) -> Base:
        """What a residual is added to."""
        return self.settings.base

    def parametrisation(self, recipe: Mapping[str, Any]) -> Parametrisation:
        """What the network puts out.

        Raises:
            InputError: settings that do not go together.
        """
        made = super().parametrisation(recipe)
        if self.settings.psf == "released" and made.kind != "eps":
            raise InputError(
                "psf: the released term is of the predicted noise; set prediction to eps"
            )
        return made

    def image_loss(self) -> ImageLoss | None:
        """L_PSF at its weight, or nothing where that is zero."""
        s = self.settings
        mse, ssim = s.psf_weight * s.psf_mse, s.psf_weight * s.psf_ssim
        if s.psf == "released":
            return ReleasedPSF(ssim) if ssim else None
        # Noise levels mean nothing to a regression: all images weigh alike.
        levels = "uniform" if s.process == "regression" else s.psf_levels
        return PSF(mse, ssim, levels) if mse or ssim else None

    def pairs(self, examples: Examples) -> ConditionalPairs:
        """The conditions of all groups, and the fused truth (N, 3, H, W)."""
        high, condition = examples.high, self.condition_of(examples)
        return ConditionalPairs(high.groups, condition, high.truth, examples.repeats)

    def condition_of(self, examples: Examples) -> Tensor:
        """What is known of each group when its image is drawn: (N, C, H, W) in [0, 1]."""
        return self.stacked(examples.low)

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse low-resolution `batch.sources` to (B, 3, h * scale, w * scale) in [0, 1]."""
        return self.draw(self.stacked(batch), generators)

    def stacked(self, low: Batch) -> Tensor:
        """Enlarged sources one after another: (B, 3, 3, h, w) to (B, 9, H, W)."""
        return self.enlarged(low.sources).flatten(1, 2)
