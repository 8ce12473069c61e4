"""How good a conditional diffusion is on images that it does not learn from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tfsdiff.core.seeding import generator
from tfsdiff.methods.conditional.network import IMAGE_CHANNELS
from tfsdiff.methods.conditional.objective import Denoising
from tfsdiff.metrics.error import psnr
from tfsdiff.metrics.ssim import ssim
from tfsdiff.metrics.windows import PEAK
from tfsdiff.params import Sampling
from tfsdiff.training.evaluate import mean_losses, sheet
from tfsdiff.training.loader import evenly

Draw = Callable[[nn.Module, Tensor, Sequence[torch.Generator], Sampling], Tensor]


@dataclass(frozen=True)
class Validation:
    """Judges a network: see `tfsdiff.training.loop.Evaluator`. The same noise at every call.

    Attributes:
        task: denoising of the validation examples.
        draw: (network, condition, generators, sampling) to images, all in [-1, 1].
        seed: of the crops, levels and noise.
    """

    task: Denoising
    draw: Draw
    seed: int

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> tuple[dict[str, float], Tensor]:
        """Judge `network`.

        Returns:
            Mean loss terms over all examples, "psnr" in dB and "ssim" of the images drawn, and
            these images as a grid (3, H, W) in [0, 1]: a line each, its conditions, what was drawn,
            what was wanted.
        """
        task = self.task
        values = mean_losses(network, task, task.settings, task.backend, self.seed)
        images, wanted, condition = self._images(network)
        levels = [(PEAK * x.double()).round() for x in (images, wanted)]
        values |= {"psnr": psnr(*levels).mean().item(), "ssim": ssim(*levels).mean().item()}
        lines = torch.cat([condition, images[:, None], wanted[:, None]], 1)  # (N, columns, 3, H, W)
        return values, sheet(lines)

    def _images(self, network: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
        """Drawn and wanted images (N, 3, H, W) and conditions (N, n, 3, H, W), all in [0, 1]."""
        settings = self.task.settings
        examples = self.task.examples
        shown = evenly(settings.validation_images, len(examples))
        how = Sampling(
            sampler="ddim",
            evaluations=settings.validation_evaluations,
            batch=1,
            spacing="time",
        )
        drawn = [
            self.draw(network, condition[None], [generator(self.seed, "draw", i)], how).cpu()
            for i, condition in enumerate(examples.condition[shown])
        ]
        condition = examples.condition[shown].unflatten(1, (-1, IMAGE_CHANNELS))
        images = (torch.cat(drawn), examples.target[shown], condition)
        return tuple(((x + 1) / 2).clamp(0, 1) for x in images)
