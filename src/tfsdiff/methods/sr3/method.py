"""SR3 (Saharia et al. 2021): enlarges one image by diffusion, conditioned on its enlargement.

Against TFS-Diff: one source a time instead of three, no gate, the noise objective alone.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tfsdiff.core.tensors import CHANNELS
from tfsdiff.data.resample import enlarge
from tfsdiff.methods.base import Enlarger, Examples, Imported
from tfsdiff.methods.conditional import released
from tfsdiff.methods.conditional.method import Diffusing, Learning
from tfsdiff.methods.conditional.model import Design, Stack
from tfsdiff.methods.conditional.objective import Goal
from tfsdiff.params import Diffusion

# 16 groups: the released configuration from 64 to 512 pixels.
RELEASED = released.Family("sr3", CHANNELS, released.LEARNING, narrow_groups=16)


class SR3(Diffusing, Enlarger):
    """One network for all modalities, which it sees as RGB images without being told which."""

    Settings = Learning
    name = "sr3"
    importable = True

    @classmethod
    def import_released(cls, checkpoint: Path, groups: int | None) -> Imported:
        """Read a checkpoint in the layout that `tfsdiff.methods.conditional.released` knows."""
        return released.read(checkpoint, RELEASED, groups)

    def design(self, diffusion: Diffusion) -> Design:
        """The published diffusion, without gate and image losses."""
        s = self.settings
        goal = Goal(
            process=s.process,
            prediction=s.prediction or diffusion.prediction,
            base="maximum",  # of a single image: the image
            norm=s.noise_loss,
            psf="estimate",
            psf_mse=0,
            psf_ssim=0,
            psf_levels="signal",
        )
        return Design(CHANNELS, gate="none", gate_ratio=1, goal=goal)

    def stack(self, examples: Examples) -> Stack:
        """Enlarged and true sources of all groups as separate images: (3 N, 3, H, W) each."""
        low, high = (batch.sources.flatten(0, 1) for batch in (examples.low, examples.high))
        names = (f"{group} source {i}" for group in examples.low.groups for i in range(1, 4))
        return Stack(tuple(names), enlarge(low, self.scale), high)

    def enlarge(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Enlarge (B, 3, h, w) in [0, 1] to (B, 3, h * scale, w * scale) in [0, 1].

        A grey image (three equal channels) stays grey: its enlargement's channels are averaged.
        """
        drawn = self.draw(enlarge(images, self.scale), generators)
        grey = (images == images[:, :1]).flatten(1).all(1).view(-1, 1, 1, 1)
        return torch.where(grey, drawn.mean(1, keepdim=True), drawn)
