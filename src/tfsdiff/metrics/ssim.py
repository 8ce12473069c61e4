"""Structural similarity (SSIM)."""

from torch import Tensor

from tfsdiff.metrics.windows import PEAK, checked_pair, gaussian, windowed_mean

TAPS = 11
SIGMA = 1.5
C1 = (0.01 * PEAK) ** 2
C2 = (0.03 * PEAK) ** 2


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
    x, y = checked_pair(fused, reference, side=TAPS)
    window = gaussian(TAPS, SIGMA)
    mean_x, mean_y = windowed_mean(x, window), windowed_mean(y, window)
    variance_x = windowed_mean(x**2, window) - mean_x**2
    variance_y = windowed_mean(y**2, window) - mean_y**2
    means = mean_x * mean_y
    covariance = windowed_mean(x * y, window) - means
    similar = (2 * means + C1) * (2 * covariance + C2)
    largest = (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
    return (similar / largest).mean((-3, -2, -1))
