"""Standard deviation of the noise in one image, as G. Treece's bitonic filters estimate it.

A second derivative along both axes removes what is smooth in an image and leaves its noise and its
edges. An opening by ranks over a disk, a low centile followed by a high one, then removes the edges
as long as they fill less than the disk.
"""

import numpy as np
from scipy import ndimage

from tfsdiff.methods.bitonicx.anisotropic import anisotropic_mean
from tfsdiff.methods.bitonicx.structure import structure

EXTENT = 2.6
ALPHA = 0.7
RADIUS = 14.1
LOW_RANK, HIGH_RANK = 37, 583  # among the 621 pixels of the disk, from 0
SCALE = 2.34  # standard deviation of Gaussian noise over the mean response


def noise_level(image: np.ndarray) -> float:
    """Estimate the standard deviation of additive noise in `image` (H, W), in its units."""
    response = image
    for axis in range(2):
        response = ndimage.correlate1d(response, [-1.0, 2.0, -1.0], axis, mode="nearest")
    response = np.abs(response) / 6
    local = structure(response, EXTENT)
    level = anisotropic_mean(response[None], local, EXTENT, np.inf, ALPHA, corners=True)[0]
    offsets = np.arange(-int(RADIUS), int(RADIUS) + 1)
    disk = offsets[:, None] ** 2 + offsets**2 < RADIUS**2
    for rank in (LOW_RANK, HIGH_RANK):
        level = ndimage.rank_filter(level, rank, footprint=disk, mode="nearest")
    return SCALE * float(level.mean())
