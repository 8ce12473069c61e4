"""The colour maps in which the Whole Brain Atlas shows its functional images.

The stops were measured on the distinct colours of the atlas's images, which lie on straight lines
between few corners: 128 colours from black to magenta for PET, 72 or 92 up to pale pink for SPECT.
"""

import numpy as np

PET = (
    (0.0, (0, 0, 0)),
    (15 / 127, (0, 0, 123)),
    (31 / 127, (0, 85, 255)),
    (63 / 127, (255, 255, 0)),
    (95 / 127, (255, 0, 0)),
    (1.0, (255, 0, 255)),
)
SPECT = (
    (0.0, (0, 0, 0)),
    (0.1425, (41, 71, 73)),
    (0.357, (83, 0, 144)),
    (0.568, (190, 90, 121)),
    (0.807, (255, 114, 0)),
    (1.0, (255, 222, 255)),
)


def colour(values: np.ndarray, stops: tuple[tuple[float, tuple[int, int, int]], ...]) -> np.ndarray:
    """Colour values of [0, 1], (H, W), by the lines between `stops`, to (H, W, 3) in [0, 255]."""
    at = [position for position, _ in stops]
    channels = zip(*(rgb for _, rgb in stops), strict=True)
    return np.stack([np.interp(values, at, channel) for channel in channels], axis=-1)
