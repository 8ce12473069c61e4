"""Masks that differ from pixel to pixel: the neighbours that resemble the centre.

The mask of a pixel holds those pixels of the square around it whose value and whose guide (smoothed
value) differ from its own by no more than a band. With values replaced by their ranks, a mask is
a box of integers in four coordinates: row, column, rank of the guide, rank of the value.

Source: G. Treece, "Real image denoising with a locally-adaptive bitonic filter", IEEE Transactions
on Image Processing 2022, and its released code.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

_compile = njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class Masks:
    """Masks of all pixels; q is in that of p if low_p <= point_q <= high_p in all coordinates.

    Attributes:
        shape: (H, W) of the image.
        half_length: the squares measure 2 * half_length + 1 pixels.
        point: row, column, rank of the guide and rank of the value of each pixel, (4, H * W).
        low: smallest coordinates in the mask of each pixel, (4, H * W).
        high: largest ones.
        order: indices of the pixels by ascending value.
    """

    shape: tuple[int, int]
    half_length: int
    point: np.ndarray
    low: np.ndarray
    high: np.ndarray
    order: np.ndarray


def masks(
    image: np.ndarray,
    guide: np.ndarray,
    half_length: int,
    image_band: np.ndarray,
    guide_band: np.ndarray,
) -> Masks:
    """Masks of all pixels: neighbours that differ from the centre by no more than its bands.

    Args:
        image: values, (H, W).
        guide: smoothed values, (H, W).
        half_length: of the square, in pixels.
        image_band: (H, W), not negative.
        guide_band: (H, W), not negative.
    """
    # The shorter the integers, the faster they are sorted and the fewer bytes are moved.
    small = np.uint16 if image.size <= 1 << 16 else np.uint32
    point, low, high = np.empty((3, 4, image.size), small)
    for axis, place in enumerate(np.indices(image.shape).reshape(2, -1)):
        point[axis] = place
        low[axis] = np.maximum(place - half_length, 0)
        high[axis] = np.minimum(place + half_length, np.iinfo(small).max)
    order = np.argsort(image, axis=None, kind="stable")
    guide_order = np.argsort(guide, axis=None, kind="stable")
    for f, values, by_value, band in (
        (2, guide.ravel(), guide_order, guide_band.ravel()),
        (3, image.ravel(), order, image_band.ravel()),
    ):
        _bands(values[by_value], by_value, band, point[f], low[f], high[f])
    return Masks(image.shape, half_length, point, low, high, order)


@_compile
def _bands(ordered, order, band, point, low, high):
    """Rank of each pixel, and the lowest and highest rank of values within its `band`."""
    down, up = 0, 0
    for rank in range(ordered.size):
        pixel = order[rank]
        down = _farthest(ordered, rank, -1, rank, down - 1, band[pixel])
        up = _farthest(ordered, rank, 1, ordered.size - 1 - rank, up, band[pixel])
        point[pixel], low[pixel], high[pixel] = rank, rank - down, rank + up


@_compile
def _farthest(ordered, rank, step, end, guess, width):
    """Ranks from `rank` to the farthest whose value differs by no more than `width`.

    They are counted in the direction of `step`, at most to `end`. The search starts at `guess` and
    doubles its strides: from one rank to the next the answer changes by little.
    """
    near, far = 0, end + 1  # the farthest lies in [near, far)
    guess, stride = min(max(guess, 0), end), 1
    while far - near > 1:
        if abs(ordered[rank + step * guess] - ordered[rank]) <= width:
            near = guess
            guess += stride
        else:
            far = guess
            guess -= stride
        stride *= 2
        if not near < guess < far:
            guess = (near + far) // 2
    return near
