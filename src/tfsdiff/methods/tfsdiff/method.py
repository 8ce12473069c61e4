"""TFS-Diff: fuses three low-resolution sources and enlarges the result, by one diffusion.

Against SR3: the condition is the stack of all three enlarged sources, the TMFA gate weighs its
channels, and L_PSF joins the noise objective. The target is the fused ground truth.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from tfsdiff.core.tensors import CHANNELS, SOURCES, Batch
from tfsdiff.data.resample import enlarge
from tfsdiff.methods.base import Examples, Imported, JointMethod
from tfsdiff.methods.conditional import released
from tfsdiff.methods.conditional.method import Diffusing, Learning
from tfsdiff.methods.conditional.model import Design, Stack
from tfsdiff.methods.conditional.network import Gate
from tfsdiff.methods.conditional.objective import Base, Goal
from tfsdiff.params import Count, Diffusion, Section
from tfsdiff.training.losses import Levels

RELEASED = released.Family(
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
Weight = Annotated[float, Field(ge=0)]


class Settings(Learning):
    """What the paper ablates, and what was asked since."""

    base: Base  # what the prediction `residual` is added to
    tmfa: Gate  # sources: the paper; all: as released; none: ablated
    tmfa_ratio: Count  # channels to hidden units of the gate
    psf: Literal["estimate", "released"]  # L_PSF of the estimated image (paper), or as released
    psf_weight: Weight  # of L_PSF beside the noise objective; 0: ablated
    psf_mse: Weight  # lambda_1
    psf_ssim: Weight  # lambda_2
    psf_levels: Levels  # signal: weighted by alpha_bar; uniform: the paper


class TFSDiff(Diffusing, JointMethod):
    """Joint fusion and super-resolution."""

    Settings: ClassVar[type[Section]] = Settings
    name = "tfsdiff"
    importable = True

    settings: Settings

    @classmethod
    def import_released(cls, checkpoint: Path, groups: int | None) -> Imported:
        """Read a checkpoint in the layout that `tfsdiff.methods.conditional.released` knows."""
        return released.read(checkpoint, RELEASED, groups)

    def design(self, diffusion: Diffusion) -> Design:
        """The network and goal that the settings describe, for such a diffusion."""
        s = self.settings
        goal = Goal(
            process=s.process,
            prediction=s.prediction or diffusion.prediction,
            base=s.base,
            norm=s.noise_loss,
            psf=s.psf,
            psf_mse=s.psf_weight * s.psf_mse,
            psf_ssim=s.psf_weight * s.psf_ssim,
            psf_levels=s.psf_levels,
        )
        return Design(SOURCES * CHANNELS, s.tmfa, s.tmfa_ratio, goal)

    def stack(self, examples: Examples) -> Stack:
        """Stacked enlarged sources (N, 9, H, W), and the fused ground truth (N, 3, H, W)."""
        return Stack(examples.high.groups, self._condition(examples.low), examples.high.truth)

    def fuse(self, batch: Batch, generators: Sequence[torch.Generator]) -> Tensor:
        """Fuse low-resolution `batch.sources` to (B, 3, h * scale, w * scale) in [0, 1]."""
        return self.draw(self._condition(batch), generators)

    def _condition(self, low: Batch) -> Tensor:
        """Enlarged sources one after another: (B, 3, 3, h, w) to (B, 9, H, W)."""
        return enlarge(low.sources, self.scale).flatten(1, 2)
