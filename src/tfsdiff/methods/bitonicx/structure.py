"""Structure tensor: where an image has lines, in which direction they run, where corners are.

Source: G. Treece, "Real image denoising with a locally-adaptive bitonic filter", IEEE Transactions
on Image Processing 2022, and its released code.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tfsdiff.methods.bitonicx.gaussian import smooth


@dataclass(frozen=True)
class Structure:
    """Local structure of an image, each (H, W).

    Attributes:
        anisotropy: 0 (alike in all directions) to 1 (a line or an edge).
        direction: angle of the line in radians: it runs along (rows, columns) = (sin, cos).
        corner: strength of a corner, 0 (none) and up.
    """

    anisotropy: np.ndarray
    direction: np.ndarray
    corner: np.ndarray


def structure(image: np.ndarray, extent: float) -> Structure:
    """Structure of `image` (H, W), its tensor smoothed by a Gaussian of `extent` pixels."""
    across = _derivative(image, axis=1)
    down = _derivative(image, axis=0)
    xx, yy = smooth(across**2, extent), smooth(down**2, extent)
    xy = smooth(2 * across * down, extent)
    total = xx + yy
    difference = np.sqrt((xx - yy) ** 2 + xy**2)
    direction = (np.arctan2(xy, xx - yy) + np.pi) / 2
    return Structure(_anisotropy(total, difference, extent), direction, _corner(total, difference))


def _derivative(image: np.ndarray, axis: int) -> np.ndarray:
    slope = ndimage.correlate1d(image, [-0.5, 0.0, 0.5], axis, mode="nearest")
    return ndimage.correlate1d(slope, [0.25, 0.5, 0.25], 1 - axis, mode="nearest")


def _anisotropy(total: np.ndarray, difference: np.ndarray, extent: float) -> np.ndarray:
    # The released filter smooths the one-dimensional list of all pixels with structure, column by
    # column, where a smoothing in the plane is meant (docs/methods/bitonicx.md, B8). Agreement
    # with its outputs requires the same.
    structured = total.T > 0
    anisotropy = np.zeros(structured.shape)
    total, difference = total.T[structured], difference.T[structured]
    if total.size:
        with np.errstate(over="ignore"):
            isotropy = smooth(total - difference, 2 * extent) / (total + difference)
        anisotropy[structured] = np.maximum(0, 1 - isotropy)
    return np.ascontiguousarray(anisotropy.T)


def _corner(total: np.ndarray, difference: np.ndarray) -> np.ndarray:
    strength = (total - difference) * (total + difference) / 2
    peak = strength.max()
    if peak <= 0:
        return np.zeros_like(strength)
    scaled = 255 * strength / peak
    counts, _ = np.histogram(scaled, bins=256, range=(scaled.min(), scaled.max()))
    level = np.argmax(np.cumsum(counts) > 0.9 * scaled.size) + 1
    weak = scaled < level
    usual = strength[weak].mean() if weak.any() else 0.0
    with np.errstate(over="ignore"):
        return np.maximum(0, (strength - 2 * usual) / max(38 * usual, np.finfo(float).tiny))
