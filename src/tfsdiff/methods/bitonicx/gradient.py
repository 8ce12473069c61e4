"""Measures of local variation: morphological gradient, structure-tensor operator, clarity."""

import numpy as np
from numba import njit
from scipy import ndimage

DISK = 5  # MATLAB's approximation of the disk of radius 3 is a square of 5 x 5 pixels
CLARITY_REACH = 5  # window of 11 x 11 pixels


def morphological_gradient(image: np.ndarray) -> np.ndarray:
    """A third of dilation minus erosion of `image` (H, W) over 5 x 5 pixels."""
    highest = ndimage.maximum_filter(image, DISK, mode="nearest")
    return (highest - ndimage.minimum_filter(image, DISK, mode="nearest")) / 3


def tensor_operator(image: np.ndarray) -> np.ndarray:
    """Structure-tensor operator (H, W) of `image` (H, W), as the released code computes it.

    Its tensor is not smoothed, so one eigenvalue is 0, the other the squared gradient, and the
    operator sqrt(1.5) times that. Derivatives have lag 1 down the columns and lag 2 along the rows
    (docs/methods/bitonicx.md, B4 and B5).
    """
    down = np.diff(image, axis=0, prepend=image[:1])
    mirrored = np.pad(image, ((0, 0), (2, 0)), mode="symmetric")
    across = image - mirrored[:, : image.shape[1]]
    return np.sqrt(1.5) * (down**2 + across**2)


def clarity(image: np.ndarray) -> np.ndarray:
    """Sum (H, W) over 11 x 11 pixels q of |image_q| (image_q - image)^2, for `image` (H, W).

    Borders mirror the image, edge pixels included, but for the last row, which is not repeated, as
    in the released code (B9).
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
