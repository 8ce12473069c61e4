"""Several fusions of the same sources: their mean, and how far they differ at each pixel."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tfsdiff.common.errors import InputError
from tfsdiff.data.images import Pixels, to_8bit

GAIN = 4  # levels in the picture for each grey level of deviation


@dataclass(frozen=True)
class Moments:
    """Moments over the samples, of images in [0, 1].

    Attributes:
        mean: (B, 3, H, W) float64.
        deviation: (B, 3, H, W) float64; standard deviation of a sample, divisor K - 1.
    """

    mean: Tensor
    deviation: Tensor

    def pixel_deviation(self) -> Tensor:
        """One deviation a pixel: root of the mean variance over the channels, (B, H, W)."""
        return self.deviation.square().mean(1).sqrt()


def moments(draw: Callable[[int], Tensor], samples: int) -> Moments:
    """Draw images and accumulate their moments (Welford's recurrence), without storing all images.

    Args:
        draw: from the number of the sample, 0 and up, to images (B, 3, H, W) in [0, 1].
        samples: how many; at least 2.

    Raises:
        InputError: the second sample equals the first: nothing in `draw` is random.
    """
    if samples < 2:
        raise ValueError(f"a deviation needs at least 2 samples, not {samples}")
    first = draw(0)
    mean = first.double()
    squares = torch.zeros_like(mean)
    for count in range(2, samples + 1):
        image = draw(count - 1)
        if count == 2 and torch.equal(image, first):
            raise InputError(
                "all samples are equal, as the method draws no random numbers; take one that does "
                "(a diffusion model that fuses or enlarges) or draw only once"
            )
        difference = image.double() - mean
        mean = mean + difference / count
        squares = squares + difference * (image.double() - mean)
    return Moments(mean, (squares / (samples - 1)).sqrt())


def picture(deviation: Tensor) -> Pixels:
    """8-bit picture of a deviation (H, W) of images in [0, 1].

    The scale is the same for all pictures: `GAIN` levels a grey level (of 0..255) of deviation,
    saturated from a deviation of 255 / GAIN on.
    """
    return to_8bit((deviation * GAIN).clamp(max=1))
