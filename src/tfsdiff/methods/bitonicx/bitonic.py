"""The bitonic filter of G. Treece in its structurally varying form (version X).

Source: G. Treece, "Real image denoising with a locally-adaptive bitonic filter", IEEE Transactions
on Image Processing 2022; details as in his released code (reference page, 7.2).
"""

import math

import numpy as np
from scipy import ndimage

from tfsdiff.methods.bitonicx.anisotropic import anisotropic_mean
from tfsdiff.methods.bitonicx.maskrank import opening_closing
from tfsdiff.methods.bitonicx.masks import masks
from tfsdiff.methods.bitonicx.noise import noise_level
from tfsdiff.methods.bitonicx.structure import structure

ALPHA = 0.6
SHORTEST, LONGEST = 3, 15  # automatic half lengths
CORNERS_BELOW = 0.45  # thresholds that call for care at corners


def bitonic(
    image: np.ndarray,
    threshold: float | None = None,
    half_length: int | None = None,
    corners: bool | None = None,
) -> np.ndarray:
    """Smooth `image` where it varies by less than `threshold`, keeping what is monotonic.

    An image shorter or narrower than two half lengths is returned as it is.

    Args:
        image: (H, W), values about in [0, 1].
        threshold: greatest variation taken for noise; None: by the noise level of the image.
        half_length: half length of the masks in pixels; None: by the threshold, 3 to 15.
        corners: whether to narrow the smoothing at corners; None: if the threshold is below 0.45.

    Returns:
        (H, W), float64; constants stay, and adding a constant to the image adds it to the result.
    """
    image = _check(image, threshold, half_length)
    if threshold is None:
        threshold = automatic_threshold(image)
    if threshold == 0:
        return image
    if half_length is None:
        half_length = automatic_half_length(threshold)
    if half_length > min(image.shape) / 2:
        return image
    corners = threshold < CORNERS_BELOW if corners is None else corners
    return _filter(image, threshold, half_length, corners)


def automatic_threshold(image: np.ndarray) -> float:
    """Threshold for additive noise of the level found in `image`; 0 for an image free of noise."""
    threshold = 4 * noise_level(image)
    return threshold * (1 - 0.75 * math.exp(-12 * threshold))


def automatic_half_length(threshold: float) -> int:
    """Half length in pixels that suits `threshold`: 3 up to 0.026, 15 from 1.3 on."""
    half_length = math.floor(2.5 + 2 * math.log2(threshold / 0.02) + 0.5)
    return min(max(half_length, SHORTEST), LONGEST)


def _check(image: np.ndarray, threshold: float | None, half_length: int | None) -> np.ndarray:
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f"the image must be (H, W), not {image.shape}")
    if not np.isfinite(image).all():
        raise ValueError("the image must be finite")
    if threshold is not None and not threshold > 0:
        raise ValueError(f"the threshold must be positive, not {threshold}")
    if half_length is not None and half_length < 1:
        raise ValueError(f"the half length must be at least 1, not {half_length}")
    return np.array(image, dtype=np.float64, order="C")


def _filter(image: np.ndarray, threshold: float, half_length: int, corners: bool) -> np.ndarray:
    extent = 1.2 * half_length
    local = structure(image, extent)
    guide = anisotropic_mean(image[None], local, extent, 3 * threshold, ALPHA, corners)[0]
    bands = _bands(image, guide, threshold, half_length)
    opened, closed = opening_closing(image, masks(image, guide, half_length, *bands))
    gaps = np.stack([image - opened, closed - image])
    above, below = anisotropic_mean(gaps, local, extent, 1.4 * threshold, ALPHA, corners)
    return _blend(opened + above, closed - below, np.abs(above) ** 3, np.abs(below) ** 3)


def _bands(
    image: np.ndarray, guide: np.ndarray, threshold: float, half_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """By how much members of a mask may differ from its centre, in the image and in the guide."""
    spread = math.sqrt(math.pi) * (half_length + 0.5) * 1.2 * 0.85
    gain = spread * math.erf((half_length + 0.5) * 1.2 / 24)
    factor = _local_factor(image, threshold, 2 * half_length + 1)
    doubt = np.abs(guide - image) - threshold * (0.5 + 0.5 / spread)
    return factor * threshold, factor * threshold / gain + 2 * np.maximum(0, doubt)


def _local_factor(image: np.ndarray, threshold: float, side: int) -> np.ndarray:
    """Factor of the threshold: wide masks where little varies, narrow ones where much does."""
    if threshold <= np.ptp(image) / 20:
        return np.ones_like(image)
    highest = ndimage.maximum_filter(image, side, mode="nearest")
    lowest = ndimage.minimum_filter(image, side, mode="nearest")
    variation = (highest - lowest) / threshold
    factor = np.clip(1.6 - (variation - 0.9) * 0.9 / 0.67, None, 1.6)
    factor[variation > 1.57] = 0.7
    extreme = np.minimum(image - lowest, highest - image) / threshold
    eased = 1 - extreme * (1 - factor) / 0.7
    return np.where((factor < 1) & (extreme < 0.7), eased, factor)


def _blend(
    opened: np.ndarray, closed: np.ndarray, above: np.ndarray, below: np.ndarray
) -> np.ndarray:
    """Mean of opening and closing, each weighted by the error of the other."""
    weight = above + below
    ratio = np.divide(above, weight, out=np.full_like(weight, 0.5), where=weight > 0)
    return opened + ratio * (closed - opened)
