"""Pixel errors: MSE, MAE, RMSE and PSNR over all pixels of the three channels.

All take images (..., 3, H, W) in 0..255 whose leading dimensions broadcast, and return float64
values of the broadcast leading shape. They are symmetric in their arguments.
"""

import torch
from torch import Tensor

from tfsdiff.metrics.windows import PEAK, checked_pair

SMALLEST_SIDE = 1
_IMAGE = (-3, -2, -1)


def mse(fused: Tensor, reference: Tensor) -> Tensor:
    """Mean squared error, in squared grey levels; 0 for equal images."""
    fused, reference = checked_pair(fused, reference)
    return ((fused - reference) ** 2).mean(_IMAGE)


def mae(fused: Tensor, reference: Tensor) -> Tensor:
    """Mean absolute error, in grey levels; 0 for equal images."""
    fused, reference = checked_pair(fused, reference)
    return (fused - reference).abs().mean(_IMAGE)


def rmse(fused: Tensor, reference: Tensor) -> Tensor:
    """Root of the mean squared error of one image, in grey levels; 0 for equal images."""
    return torch.sqrt(mse(fused, reference))


def psnr(fused: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio, 10 log10(255^2 / MSE), in dB; infinite for equal images."""
    return 10 * torch.log10(PEAK**2 / mse(fused, reference))
