"""Average gradient: how much fine detail an image shows, without any reference."""

import torch
from torch import Tensor

from tfsdiff.metrics.windows import checked

SMALLEST_SIDE = 2  # a difference needs two pixels


def average_gradient(fused: Tensor) -> Tensor:
    """Average gradient (AG) of each image; a higher one counts as sharper.

    AG = mean over i < H-1, j < W-1 of sqrt((dx^2 + dy^2) / 2), with the forward differences
    dx = F[i, j+1] - F[i, j] and dy = F[i+1, j] - F[i, j] of one channel in 0..255; then the mean
    over R, G and B. Noise raises it as detail does.

    The quantity is that of Cui et al., "Detail preserved fusion of visible and infrared images
    using regional saliency extraction and multi-scale image decomposition", Optics Communications
    341 (2015), 199-209. Implementations differ in the kind of differences (some are central), so
    values can be compared only if computed by the same one.

    Args:
        fused: (..., 3, H, W) in 0..255, H and W at least 2.

    Returns:
        (...) in 0..255, float64.
    """
    images = checked(fused, "fused", side=SMALLEST_SIDE)
    corner = images[..., :-1, :-1]
    across = images[..., :-1, 1:] - corner
    down = images[..., 1:, :-1] - corner
    return torch.sqrt((across**2 + down**2) / 2).mean((-3, -2, -1))
