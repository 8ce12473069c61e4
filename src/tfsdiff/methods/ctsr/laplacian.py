"""Choice between two smooth images at every pixel: the brighter one, or the sharper one on ties."""

import numpy as np
from scipy import ndimage

CROSS = np.array([-1.0, 2.0, -1.0])


def modified_laplacian(image: np.ndarray, window_pixels: int) -> np.ndarray:
    """Root mean of the modified Laplacian (H, W) of `image` (H, W) over a window of odd side.

    The paper has the sum, which orders pixels alike (docs/methods/ctsr.md, R2). Borders
    mirror the image, edge pixels included.

    Raises:
        ValueError: the side is even or not positive.
    """
    if window_pixels < 1 or window_pixels % 2 == 0:
        raise ValueError(f"the side of the window must be odd and positive, not {window_pixels}")
    image = np.asarray(image, np.float64)
    strength = sum(np.abs(ndimage.correlate1d(image, CROSS, axis)) for axis in range(2))
    ones = np.ones(window_pixels)
    for axis in range(2):
        strength = ndimage.correlate1d(strength, ones, axis)
    return np.sqrt(strength) / window_pixels


def brighter_or_sharper(
    first: np.ndarray, second: np.ndarray, threshold: float, window_pixels: int
) -> np.ndarray:
    """Take each pixel from the brighter of two images (H, W); where they tie, from the sharper.

    Args:
        first: (H, W).
        second: (H, W); taken where neither rule decides (docs/methods/ctsr.md, R3).
        threshold: difference below which two values tie.
        window_pixels: side of the window over which sharpness is measured.
    """
    difference = first - second
    tie = np.abs(difference) < threshold
    sharpness = [modified_laplacian(image, window_pixels) for image in (first, second)]
    choice = (difference > threshold) | (tie & (sharpness[0] > sharpness[1]))
    return np.where(choice, first, second)
