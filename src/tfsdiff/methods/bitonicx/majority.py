"""Majority vote in a square window: removes specks from a decision map."""

import numpy as np


def majority(decisions: np.ndarray, side_pixels: int) -> np.ndarray:
    """Decide each pixel of `decisions` (H, W) by its window; half of the votes are enough for True.

    The window is a square of odd `side_pixels`; borders mirror the map, edge pixels included.

    Raises:
        ValueError: the side is even or not positive.
    """
    if side_pixels < 1 or side_pixels % 2 == 0:
        raise ValueError(f"the side of the window must be odd and positive, not {side_pixels}")
    votes = np.pad(decisions.astype(np.int64), side_pixels // 2, mode="symmetric")
    for axis in range(2):
        votes = _window_sums(votes, side_pixels, axis)
    return 2 * votes >= side_pixels**2


def _window_sums(values: np.ndarray, side: int, axis: int) -> np.ndarray:
    sums = np.cumsum(values, axis=axis)
    sums = np.concatenate([np.zeros_like(np.take(sums, [0], axis)), sums], axis)
    size = sums.shape[axis]
    return np.take(sums, range(side, size), axis) - np.take(sums, range(size - side), axis)
