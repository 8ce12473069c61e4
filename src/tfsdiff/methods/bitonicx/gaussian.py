"""Gaussian of a finite extent, as the bitonic filters of G. Treece define it."""

import math

import numpy as np
from scipy import ndimage


def taps(extent: float) -> np.ndarray:
    """Normalised taps of the Gaussian that ends at `extent` pixels from its centre.

    Its deviation is extent / sqrt(8). Extents below 3 have heavier tails, which the Gaussian alone
    would leave next to nothing.

    Raises:
        ValueError: the extent is below 1 pixel.
    """
    reach = math.floor(extent)
    if reach < 1:
        raise ValueError(f"the extent must be at least 1 pixel, not {extent}")
    curve = np.exp(-((np.arange(-reach, reach + 1) / (0.5 * extent)) ** 2))
    if reach == 1:
        curve[[0, 2]] = 0.75 + 0.25 * curve[0]
    elif reach == 2:
        curve[[0, 4]] = 0.1 + 0.9 * curve[0]
        curve[[1, 3]] = 0.25 + 0.75 * curve[1]
    return curve / curve.sum()


def smooth(values: np.ndarray, extent: float) -> np.ndarray:
    """Gaussian of `extent` along every axis of `values`; borders repeat the last value."""
    for axis in range(values.ndim):
        values = ndimage.correlate1d(values, taps(extent), axis, mode="nearest")
    return values
