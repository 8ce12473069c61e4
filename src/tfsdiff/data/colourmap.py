"""The colour maps in which the Whole Brain Atlas shows its functional images.

The stops were measured on the distinct colours of the atlas's images, which lie on straight lines
between few corners: 128 colours from black to magenta for PET, 72 or 92 up to pale pink for SPECT.
"""

from itertools import pairwise

import numpy as np

Stops = tuple[tuple[float, tuple[int, int, int]], ...]

PET: Stops = (
    (0.0, (0, 0, 0)),
    (15 / 127, (0, 0, 123)),
    (31 / 127, (0, 85, 255)),
    (63 / 127, (255, 255, 0)),
    (95 / 127, (255, 0, 0)),
    (1.0, (255, 0, 255)),
)
SPECT: Stops = (
    (0.0, (0, 0, 0)),
    (0.1425, (41, 71, 73)),
    (0.357, (83, 0, 144)),
    (0.568, (190, 90, 121)),
    (0.807, (255, 114, 0)),
    (1.0, (255, 222, 255)),
)


def colour(values: np.ndarray, stops: Stops) -> np.ndarray:
    """Colour values of [0, 1], (H, W), by the lines between `stops`, to (H, W, 3) in [0, 255]."""
    at = [position for position, _ in stops]
    channels = zip(*(rgb for _, rgb in stops), strict=True)
    return np.stack([np.interp(values, at, channel) for channel in channels], axis=-1)


def uncolour(image: np.ndarray, stops: Stops) -> tuple[np.ndarray, float]:
    """Inverse of `colour`: the values whose colours are nearest to those of an image.

    Args:
        image: (H, W, 3) in [0, 255].
        stops: of the colour map.

    Returns:
        Values (H, W) in [0, 1], and the mean distance of the colours that are not black from the
        map, in levels: 0.4 to 0.9 for the atlas's images in their own map, above 70 in the other.
    """
    nearest = np.full(image.shape[:2], np.inf)
    values = np.zeros(image.shape[:2])
    for (start, first), (end, last) in pairwise(stops):
        line = np.subtract(last, first)
        along = np.clip((image - first) @ line / (line @ line), 0, 1)
        distance = np.linalg.norm(image - first - along[..., None] * line, axis=-1)
        closer = distance < nearest
        values[closer] = start + along[closer] * (end - start)
        nearest[closer] = distance[closer]
    shown = image.max(axis=-1) > 20
    return values, float(nearest[shown].mean()) if shown.any() else 0.0
