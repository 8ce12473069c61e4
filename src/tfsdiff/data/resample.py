"""Reduction to low resolution and enlargement, by the same kernel.

The kernel is the cubic convolution of Keys (IEEE TASSP 29(6), 1981, eq. 15) with a = -0.5. Pixel
centres lie at half-integers, so the images cover the same square at both resolutions. On reduction
the kernel is widened by the scale (anti-aliasing); at a border it is cut off and its weights are
rescaled to sum to one, as in Pillow's BICUBIC. Results are clipped to [0, 1], as the kernel
overshoots at edges. For 8-bit images Pillow also rounds and clips between rows and columns;
`enlarge_as_pillow` does so, to the bit, and everything else rounds nothing.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from tfsdiff.core.tensors import check_unit_range, levels

REACH = 2  # of the kernel on either side, in pixels of the smaller image
FRACTION_BITS = 22  # of the weights that Pillow has for 8-bit images


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


def enlarge_as_pillow(images: Tensor, scale: int) -> Tensor:
    """Enlarge 8-bit images by Pillow's BICUBIC: (..., h, w) to (..., h * scale, w * scale).

    What `Image.resize` computes, bit for bit: fixed-point weights, the rows first, and between rows
    and columns one rounding (half up) and clipping to 0..255. Released TFS-Diff and SR3 were
    trained on such images.

    Args:
        images: (..., h, w) in [0, 1]; rounded to the 256 levels of a PNG first.
        scale: at least 1; 1 only rounds.

    Returns:
        Multiples of 1 / 255 in [0, 1], in the type and on the device of `images`.

    Raises:
        ValueError: `scale` is below 1.
    """
    height, width = _size(images, scale)
    pixels = levels(images)  # whole numbers in float64, which holds all sums below exactly
    if scale > 1:
        pixels = _fixed_point(pixels, width, scale)
        pixels = _fixed_point(pixels.transpose(-1, -2), height, scale).transpose(-1, -2)
    return (pixels.to(images) / 255).contiguous()


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


def _fixed_point(pixels: Tensor, length: int, scale: int) -> Tensor:
    """Enlarge levels (..., length) to (..., length * scale), rounded and clipped."""
    sums = pixels @ _weights(length, scale).to(pixels).T
    return torch.floor(sums / 2**FRACTION_BITS + 0.5).clamp(0, 255)


@lru_cache(maxsize=4)
def _weights(length: int, scale: int) -> Tensor:
    """Weights (length * scale, length) of the enlargement of a row, times 2^FRACTION_BITS."""
    rows = torch.zeros(length * scale, length, dtype=torch.float64)
    for index, row in enumerate(rows):
        centre = (index + 0.5) * (1 / scale)  # the order of these steps is Pillow's, too
        start = max(math.floor(centre - REACH + 0.5), 0)
        stop = min(math.floor(centre + REACH + 0.5), length)
        kernel = [_keys(place - centre + 0.5) for place in range(start, stop)]
        total = sum(kernel)
        for place, value in enumerate(kernel, start):
            weight = value / total * 2**FRACTION_BITS
            row[place] = int(weight + math.copysign(0.5, weight))
    return rows


def _keys(distance: float) -> float:
    """Cubic convolution of Keys with a = -0.5."""
    x = abs(distance)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < REACH else 0.0
