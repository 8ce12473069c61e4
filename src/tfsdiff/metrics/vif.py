"""Visual information fidelity (VIF) in the pixel domain."""

import torch
from torch import Tensor

from tfsdiff.core.tensors import luminance
from tfsdiff.metrics.windows import checked_pair, gaussian, windowed_mean

TAPS = (17, 9, 5, 3)  # one window a scale, fine to coarse; sigma is a fifth of the taps
SMALLEST_SIDE = 41  # leaves one window on the coarsest scale
NOISE_VARIANCE = 2.0  # sigma_n^2 of the model of the eye
EPSILON = 1e-8  # variances below it are rounding errors; also keeps the gain finite


def vif(fused: Tensor, reference: Tensor) -> Tensor:
    """Share of the reference's information that the fused image still holds; 1 for equal images.

    Four scales, sigma_n^2 = 2, on the luminance 0.299 R + 0.587 G + 0.114 B in 0..255. Not
    symmetric, and above 1 where the fused image has more contrast. For a constant reference the
    formula is 0/0; the value is then 1, as there was no information to lose.

    For a nearly constant reference the constant in the denominator of the gain matters. It is 1e-8,
    as in piq; the 1e-10 of the released code is as small as rounding errors. Values against smooth
    functional images differ by up to 1e-3 relative between the two.

    Sheikh and Bovik, "Image information and visual quality", IEEE Transactions on Image Processing
    15 (2006), 430-444, in the pixel-domain form of the authors' released `vifp_mscale`.

    Args:
        fused: the distorted image, (..., 3, H, W) in 0..255, H and W at least 41.
        reference: the undistorted image of the same size; the leading dimensions broadcast.

    Returns:
        (...), not negative, float64.
    """
    fused, reference = checked_pair(fused, reference, side=SMALLEST_SIDE)
    fused, reference = luminance(fused), luminance(reference)
    kept = whole = torch.zeros((), dtype=torch.float64, device=fused.device)
    for scale, taps in enumerate(TAPS):
        window = gaussian(taps, taps / 5)
        if scale > 0:
            fused = windowed_mean(fused, window)[..., ::2, ::2]
            reference = windowed_mean(reference, window)[..., ::2, ::2]
        more_kept, more = _information(fused, reference, window)
        kept, whole = kept + more_kept, whole + more
    constant = whole == 0
    return torch.where(constant, 1.0, kept / torch.where(constant, 1.0, whole))


def _information(fused: Tensor, reference: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Information (nats) that fused and reference give of the scene at one scale, each (...)."""
    mean_f, mean_r = windowed_mean(fused, window), windowed_mean(reference, window)
    variance_f = _variance(fused, mean_f, window)
    variance_r = _variance(reference, mean_r, window)
    covariance = windowed_mean(fused * reference, window) - mean_f * mean_r
    linked = (variance_f > 0) & (variance_r > 0) & (covariance > 0)
    gain = torch.where(linked, covariance / (variance_r + EPSILON), 0.0)
    distortion = (variance_f - gain * covariance).clamp(min=0)
    kept = torch.log1p(gain**2 * variance_r / (distortion + NOISE_VARIANCE))
    whole = torch.log1p(variance_r / NOISE_VARIANCE)
    return kept.sum((-3, -2, -1)), whole.sum((-3, -2, -1))


def _variance(images: Tensor, mean: Tensor, window: Tensor) -> Tensor:
    variance = windowed_mean(images**2, window) - mean**2
    return torch.where(variance < EPSILON, 0.0, variance)
