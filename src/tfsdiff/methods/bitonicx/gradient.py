"""How much an image varies at each pixel: morphological gradient, tensor operator, clarity."""

import numpy as np
from numba import njit
from scipy import ndimage

DISK = 5  # MATLAB's approximation of the disk of radius 3 is a square of 5 x 5 pixels
CLARITY_REACH = 5  # window of 11 x 11 pixels


def morphological_gradient(image: np.ndarray) -> np.ndarray:
    """A third of dilation minus erosion of `image` (H, W) in 5 x 5 pixels (reference page, 7.4)."""
    highest = ndimage.maximum_filter(image, DISK, mode="nearest")
    return (highest - ndimage.minimum_filter(image, DISK, mode="nearest")) / 3


def tensor_operator(image: np.ndarray) -> np.ndarray:
    """Structure-tensor operator of `image` (H, W) as BitonicX computes it (7.6).

    The authors' tensor is not smoothed, which leaves sqrt(1.5) times the squared gradient; their
    derivative has lag 1 along columns and lag 2 along rows.
    """
    down = np.diff(image, axis=0, prepend=image[:1])
    mirrored = np.pad(image, ((0, 0), (2, 0)), mode="symmetric")
    across = image - mirrored[:, : image.shape[1]]
    return np.sqrt(1.5) * (down**2 + across**2)


def clarity(image: np.ndarray) -> np.ndarray:
    """Sum over 11 x 11 pixels q of |image_q| (image_q - image)^2, for `image` (H, W) (7.6).

    Borders mirror the image; as in the authors' code the last row alone is not repeated.
    """
    reach = CLARITY_REACH
    padded = np.pad(image, ((reach, 0), (reach, reach)), mode="symmetric")
    padded = np.pad(padded, ((0, reach), (0, 0)), mode="reflect")
    return _clarity(np.ascontiguousarray(image), padded, np.abs(padded))


@njit(cache=True, nogil=True, error_model="numpy")
def _clarity(image, padded, weights):
    height, width = image.shape
    sums = np.zeros((height, width))
    for row in range(height):
        line, centre = sums[row], image[row]
        for down in range(2 * CLARITY_REACH + 1):
            for right in range(2 * CLARITY_REACH + 1):
                other = padded[row + down][right : right + width]
                weight = weights[row + down][right : right + width]
                for c in range(width):
                    line[c] += weight[c] * (other[c] - centre[c]) ** 2
    return sums
