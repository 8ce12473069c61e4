"""Structural similarity (SSIM): the metric, and its differentiable form for losses."""

import torch
from torch import Tensor

from tfsdiff.metrics.windows import PEAK, checked_pair, gaussian, windowed_mean

TAPS = 11
SMALLEST_SIDE = TAPS
SIGMA = 1.5
C1 = (0.01 * PEAK) ** 2
C2 = (0.03 * PEAK) ** 2
UNIT_C1, UNIT_C2 = 0.01**2, 0.03**2  # for a dynamic range of 1


def ssim(fused: Tensor, reference: Tensor) -> Tensor:
    """Mean SSIM over pixels and channels, 1 for equal images; symmetric in its arguments.

    Gaussian window of 11 x 11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, dynamic range 255,
    population covariance; only windows that lie inside the image count, and nothing is downsampled.
    Wang et al., IEEE Transactions on Image Processing 13 (2004), 600-612, equation (13).

    Args:
        fused: (..., 3, H, W) in 0..255, H and W at least 11.
        reference: the same size; the leading dimensions broadcast.

    Returns:
        (...) in [-1, 1], float64.
    """
    x, y = checked_pair(fused, reference, side=SMALLEST_SIDE)
    window = gaussian(TAPS, SIGMA)
    mean_x, mean_y = windowed_mean(x, window), windowed_mean(y, window)
    variance_x = windowed_mean(x**2, window) - mean_x**2
    variance_y = windowed_mean(y**2, window) - mean_y**2
    means = mean_x * mean_y
    covariance = windowed_mean(x * y, window) - means
    similar = (2 * means + C1) * (2 * covariance + C2)
    largest = (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
    return (similar / largest).mean((-3, -2, -1))


def structural_similarity(x: Tensor, y: Tensor) -> Tensor:
    """Mean SSIM of each image, for losses: (B, C, H, W) in [0, 1] twice to (B,).

    Window, constants and border rule are those of `ssim`; the precision is that of the input, and
    gradients flow to both.
    """
    if min(x.shape[-2:]) < TAPS:
        raise ValueError(f"SSIM needs at least {TAPS} x {TAPS} pixels, not {tuple(x.shape[-2:])}")
    return similarity_map(x, y).mean((1, 2, 3))


def similarity_map(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of every window inside the images: (B, C, H, W) twice to (B, C, H - 10, W - 10).

    For images in [0, 1]. The variances occur as their sum alone, so that four windowed means do,
    made in one pass, where the metric takes five; the two agree but for rounding.
    """
    moments = torch.stack([x, y, x * x + y * y, x * y])
    mean_x, mean_y, power, product = windowed_mean(moments, gaussian(TAPS, SIGMA))
    means, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    similar = (2 * means + UNIT_C1) * (2 * (product - means) + UNIT_C2)
    return similar / ((squares + UNIT_C1) * (power - squares + UNIT_C2))
