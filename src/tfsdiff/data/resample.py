"""Reduction to low resolution and enlargement, by the same kernel.

The kernel is the cubic convolution of Keys (IEEE TASSP 29(6), 1981, eq. 15) with a = -0.5. Pixel
centres lie at half-integers, so the images cover the same square at both resolutions. On reduction
the kernel is widened by the scale (anti-aliasing); at a border it is cut off and its weights are
rescaled to sum to one, as in Pillow's BICUBIC. Results are clipped to [0, 1], as the kernel
overshoots at edges. For 8-bit images Pillow also rounds and clips between rows and columns; here
nothing is rounded.
"""

import torch.nn.functional as F
from torch import Tensor

from tfsdiff.core.tensors import check_unit_range


def reduce(images: Tensor, scale: int) -> Tensor:
    """Reduce (..., H, W) in [0, 1] to (..., H / scale, W / scale) in [0, 1].

    Raises:
        ValueError: `scale` is below 1, or does not divide height and width.
    """
    height, width = _size(images, scale)
    if height % scale or width % scale:
        raise ValueError(f"{height} x {width} pixels cannot be divided by scale {scale}")
    return _bicubic(images, height // scale, width // scale)


def enlarge(images: Tensor, scale: int) -> Tensor:
    """Enlarge (..., h, w) in [0, 1] to (..., h * scale, w * scale) in [0, 1].

    Raises:
        ValueError: `scale` is below 1.
    """
    height, width = _size(images, scale)
    return _bicubic(images, height * scale, width * scale)


def resize(images: Tensor, pixels: int) -> Tensor:
    """Resize square (..., H, H) in [0, 1] to (..., pixels, pixels) in [0, 1], with the same kernel.

    Raises:
        ValueError: the images are not square, or `pixels` is below 1.
    """
    height, width = _size(images, pixels)
    if height != width:
        raise ValueError(f"images must be square, not {height} x {width}")
    return _bicubic(images, pixels, pixels)


def _size(images: Tensor, factor: int) -> tuple[int, int]:
    if factor < 1:
        raise ValueError(f"scale and size must be at least 1, not {factor}")
    if images.ndim < 2 or not images.is_floating_point():
        raise ValueError("images must be floating-point (..., H, W)")
    check_unit_range(images, "images")
    return images.shape[-2], images.shape[-1]


def _bicubic(images: Tensor, height: int, width: int) -> Tensor:
    if images.shape[-2:] == (height, width):
        return images.clone()
    planes = images.reshape(-1, 1, *images.shape[-2:])  # (N, 1, H, W)
    # `antialias` also selects a = -0.5 (torch has -0.75 without it), on enlargement too.
    resized = F.interpolate(
        planes, (height, width), mode="bicubic", antialias=True, align_corners=False
    )
    return resized.clamp(0, 1).reshape(*images.shape[:-2], height, width)
