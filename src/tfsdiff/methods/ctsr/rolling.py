"""Rolling guidance on a bilateral grid: small structures vanish, large edges stay.

Sources: Q. Zhang et al., "Rolling guidance filter", ECCV 2014; J. Chen, S. Paris, F. Durand,
"Real-time edge-aware image processing with the bilateral grid", SIGGRAPH 2007; details as in the
released code of CTSR.
"""

import numpy as np
from scipy import ndimage

PADDING = 3  # empty cells at each end of each axis
TAPS = np.exp([-0.5, 0.0, -0.5])  # Gaussian whose deviation is one cell, cut off after one


def rolling_guidance(image: np.ndarray, pixels: float, levels: float, passes: int) -> np.ndarray:
    """Filter `image` (H, W) `passes` times, each time guided by the result before.

    The first guide is constant, so the first pass is a plain blur, which removes small structures.
    Later passes average the original image again, but only across what is alike in the guide, and
    so restore the edges that survived the blur.

    Args:
        image: any real values.
        pixels: spatial standard deviation.
        levels: standard deviation over the values of the guide.
        passes: number of passes.
    """
    image = np.asarray(image, np.float64)
    guide = np.zeros_like(image)
    for _ in range(passes):
        guide = cross_bilateral(image, guide, pixels, levels)
    return guide


def cross_bilateral(
    image: np.ndarray, guide: np.ndarray, pixels: float, levels: float
) -> np.ndarray:
    """Mean (H, W) of `image` over pixels that are near in the plane and alike in `guide`.

    The grid has three axes, row, column and value of the guide, and cells one deviation wide. Each
    pixel adds its value and a count of one to its nearest cell; both are blurred, and their ratio
    is interpolated at the exact place of the pixel.
    """
    rows, columns = np.indices(image.shape)
    place = np.stack([rows / pixels, columns / pixels, (guide - guide.min()) / levels]) + PADDING
    shape = tuple(int(axis.max()) + 1 + PADDING for axis in place)
    nearest = np.floor(place + 0.5).astype(np.intp).reshape(3, -1)
    cells = np.ravel_multi_index(tuple(nearest), shape)
    size = np.prod(shape)
    total = _blur(np.bincount(cells, image.ravel(), size).reshape(shape))
    count = _blur(np.bincount(cells, minlength=size).astype(np.float64).reshape(shape))
    # The cell nearest to a pixel is filled, so after the blur all cells around it have a count.
    mean = np.divide(total, count, out=np.zeros(shape), where=count > 0)
    return ndimage.map_coordinates(mean, place, order=1)


def _blur(grid: np.ndarray) -> np.ndarray:
    """Sum over 3 x 3 x 3 cells weighted by `TAPS`; outside the grid there are zeros."""
    for axis in range(grid.ndim):
        grid = ndimage.correlate1d(grid, TAPS, axis, mode="constant")
    return grid
