"""From the millimetre canvas to 8-bit images of the requested size."""

from functools import lru_cache

import numpy as np

CANVAS_MM = 256  # side of the generated field of view, at 1 mm


@lru_cache(maxsize=4)
def _area_weights(pixels: int) -> np.ndarray:
    """(pixels, CANVAS_MM) share of every canvas line in every pixel line; rows sum to one."""
    edges = np.arange(pixels + 1) * (CANVAS_MM / pixels)
    lines = np.arange(CANVAS_MM)
    overlap = np.minimum(edges[1:, None], lines + 1) - np.maximum(edges[:-1, None], lines)
    weights = np.maximum(overlap, 0)
    return weights / weights.sum(1, keepdims=True)


def reduce_area(image: np.ndarray, pixels: int) -> np.ndarray:
    """Mean over the area of every pixel: (CANVAS_MM, CANVAS_MM) to (pixels, pixels)."""
    if pixels == CANVAS_MM:
        return image
    weights = _area_weights(pixels)
    return weights @ image @ weights.T


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Round values of [0, 255] half up to 8 bits; values outside saturate."""
    return np.clip(np.floor(image + 0.5), 0, 255).astype(np.uint8)
