"""The bitonic filter of G. Treece in its structurally varying form (version X).

A signal is bitonic in a window if it only rises, only falls, or does one after the other. Such
signals are kept and the rest is smoothed, by two rank filters and no model of the noise:

- An opening removes what is narrower than its mask and brighter than its surroundings, a closing
  what is narrower and darker. Of a monotonic signal both leave everything.
- Noise is removed by both, in opposite directions, so both are biased: the opening downwards, the
  closing upwards. Each bias is measured as the smoothed difference to the image, and taken back.
- At a narrow bright line the opening is wrong and the closing is right, at a dark one it is the
  other way round. Their mean is therefore weighted by the cube of the error of the other one.

Masks and smoothing follow the structure of the image: a mask holds only pixels that resemble its
centre (`masks`), and means are drawn out along lines and edges (`anisotropic`).

Source: G. Treece, "Real image denoising with a locally-adaptive bitonic filter", IEEE Transactions
on Image Processing 2022, and the code released with it, from which all constants are.
"""

import math

import numpy as np
from scipy import ndimage

from tfsdiff.methods.bitonicx.anisotropic import AnisotropicMean
from tfsdiff.methods.bitonicx.maskrank import opening_closing
from tfsdiff.methods.bitonicx.masks import masks
from tfsdiff.methods.bitonicx.noise import noise_level
from tfsdiff.methods.bitonicx.structure import structure

ALPHA = 0.6  # anisotropy from which on means follow the structure
SHORTEST, LONGEST = 3, 15  # automatic half lengths, in pixels
CORNERS_BELOW = 0.45  # thresholds so low that corners would be blurred visibly


def bitonic(
    image: np.ndarray,
    threshold: float | None = None,
    half_length: int | None = None,
    corners: bool | None = None,
) -> np.ndarray:
    """Smooth `image` where it varies by less than `threshold`; keep what is locally bitonic.

    An image shorter or narrower than two half lengths is returned as it is.

    Args:
        image: (H, W), values about in [0, 1].
        threshold: largest variation taken for noise; None: derived from the noise in the image.
        half_length: half length of the masks in pixels; None: derived from the threshold, 3 to 15.
        corners: whether smoothing shrinks at corners; None: if the threshold is below 0.45.

    Returns:
        (H, W), float64. Adding a constant to the image adds it to the result.

    Raises:
        ValueError: the image is not (H, W) or not finite, or a number is out of range.
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
    """Threshold that suits the additive noise found in `image` (H, W); 0 if there is none."""
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
    mean = AnisotropicMean(structure(image, extent), extent, ALPHA, corners)
    guide = mean(image[None], 3 * threshold)[0]
    bands = _bands(image, guide, threshold, half_length)
    opened, closed = opening_closing(image, masks(image, guide, half_length, *bands))
    # Smoothing the gaps instead of the image keeps its edges: the gaps have none.
    gaps = np.stack([image - opened, closed - image])
    above, below = mean(gaps, 1.4 * threshold)
    return _blend(opened + above, closed - below, np.abs(above) ** 3, np.abs(below) ** 3)


def _bands(
    image: np.ndarray, guide: np.ndarray, threshold: float, half_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Largest differences (H, W) to the centre of a mask that its pixels may have.

    The first is that of the values, the second that of the guide. The guide is smooth, so its band
    is narrower by the `gain` of averaging; it widens where the guide departs from the image by more
    than noise would explain, as the guide cannot be trusted there.
    """
    spread = math.sqrt(math.pi) * (half_length + 0.5) * 1.2 * 0.85
    gain = spread * math.erf((half_length + 0.5) * 1.2 / 24)
    factor = _local_factor(image, threshold, 2 * half_length + 1)
    doubt = np.abs(guide - image) - threshold * (0.5 + 0.5 / spread)
    return factor * threshold, factor * threshold / gain + 2 * np.maximum(0, doubt)


def _local_factor(image: np.ndarray, threshold: float, side: int) -> np.ndarray:
    """Factor (H, W) of the threshold: 1.6 where the image varies little, down to 0.7 at edges.

    Near a local extremum the lower factors are eased back towards 1. Thresholds that are small
    against the range of the image are not adapted.
    """
    if threshold <= np.ptp(image) / 20:
        return np.ones_like(image)
    if np.ptp(image) / threshold < 0.9:
        return np.full_like(image, 1.6)  # as below, without looking for extrema
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
    """Mean of opening and closing, each weighted by the error of the other: `above`, `below`."""
    weight = above + below
    ratio = np.divide(above, weight, out=np.full_like(weight, 0.5), where=weight > 0)
    return opened + ratio * (closed - opened)
