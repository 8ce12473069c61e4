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
    places = np.indices(image.shape).reshape(2, -1)
    order = np.argsort(image, axis=None, kind="stable")
    guide_order = np.argsort(guide, axis=None, kind="stable")
    boxes = np.stack(
        [(place, place - half_length, place + half_length) for place in places]
        + [
            _bands(guide.ravel()[guide_order], guide_order, guide_band.ravel()),
            _bands(image.ravel()[order], order, image_band.ravel()),
        ],
        axis=1,
    )
    # The shorter the integers, the more of them a vector instruction compares at once.
    small = np.uint16 if image.size <= 1 << 16 else np.uint32
    boxes = np.clip(boxes, 0, np.iinfo(small).max).astype(small)
    return Masks(image.shape, half_length, *boxes, order)


@_compile
def _bands(ordered, order, band):
    """Rank of each pixel, and the lowest and highest rank of values within its `band`; (3, N)."""
    bands = np.empty((3, ordered.size), np.int64)
    for rank in range(ordered.size):
        pixel = order[rank]
        bands[0, pixel] = rank
        bands[1, pixel] = _farthest(ordered, rank, 0, band[pixel])
        bands[2, pixel] = _farthest(ordered, rank, ordered.size - 1, band[pixel])
    return bands


@_compile
def _farthest(ordered, rank, end, width):
    """Rank farthest from `rank` towards `end` whose value differs by no more than `width`."""
    inside, outside = rank, end
    if abs(ordered[end] - ordered[rank]) <= width:
        return end
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if abs(ordered[middle] - ordered[rank]) <= width:
            inside = middle
        else:
            outside = middle
    return inside
