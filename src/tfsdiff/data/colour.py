"""RGB to one luminance and two colour differences, and back exactly.

NumPy arrays carry their channels last, (..., 3), torch tensors before height and width,
(..., 3, H, W). Nothing is clipped.
"""

from typing import TypeVar

import numpy as np
from torch import Tensor, einsum

Image = TypeVar("Image", np.ndarray, Tensor)

GREY = np.array([0.2989, 0.5870, 0.1140])  # MATLAB's rgb2gray; sums to 0.9999
YUV = np.array([[0.299, 0.587, 0.114], [-0.147, -0.289, 0.436], [0.615, -0.515, -0.100]])
YCBCR = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.5],
        [0.5, -0.587 / 1.402, -0.114 / 1.402],
    ]
)
CHROMA_ZERO = np.array([0.0, 0.5, 0.5])


def rgb_to_yuv(image: Image) -> Image:
    """YUV of RGB in [0, 1]: Y in [0, 1], U and V around 0 (matrix of CTSR and BitonicX)."""
    return _affine(image, YUV, np.zeros(3))


def yuv_to_rgb(image: Image) -> Image:
    """Inverse of `rgb_to_yuv`, by the exact inverse of its matrix."""
    return _affine(image, np.linalg.inv(YUV), np.zeros(3))


def rgb_to_ycbcr(image: Image) -> Image:
    """Full-range BT.601 YCbCr of RGB in [0, 1]: all three in [0, 1], no colour is 0.5."""
    return _affine(image, YCBCR, CHROMA_ZERO)


def ycbcr_to_rgb(image: Image) -> Image:
    """Inverse of `rgb_to_ycbcr`, by the exact inverse of its matrix."""
    inverse = np.linalg.inv(YCBCR)
    return _affine(image, inverse, -inverse @ CHROMA_ZERO)


def grey(image: np.ndarray) -> np.ndarray:
    """Grey (H, W) of RGB (H, W, 3) by MATLAB's weights; equal channels give just theirs."""
    _check(image.shape[-1:], image.shape)
    first = image[..., 0]
    if np.array_equal(first, image[..., 1]) and np.array_equal(first, image[..., 2]):
        return first.copy()
    return image @ GREY


def _affine(image: Image, matrix: np.ndarray, shift: np.ndarray) -> Image:
    if isinstance(image, Tensor):
        _check(tuple(image.shape[-3:-2]), tuple(image.shape))
        rotated = einsum("ij,...jhw->...ihw", image.new_tensor(matrix), image)
        return rotated + image.new_tensor(shift).view(3, 1, 1)
    _check(image.shape[-1:], image.shape)
    return image @ matrix.T + shift


def _check(channels: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if channels != (3,):
        raise ValueError(f"three channels wanted, not an image of shape {shape}")
