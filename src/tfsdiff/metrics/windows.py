"""Checks of images that all metrics share, and the windowed means of SSIM and VIF."""

import torch
from torch import Tensor

CHANNELS = 3
PEAK = 255.0


def checked(images: Tensor, name: str, side: int = 1) -> Tensor:
    """Return `images` in float64, after checks of their shape and range.

    Args:
        images: (..., 3, H, W) RGB in 0..255, of any real type.
        name: what to call them in an error.
        side: smallest H and W that the metric can work on, in pixels.

    Raises:
        ValueError: not RGB, smaller than `side`, not finite, or outside 0..255.
    """
    if images.ndim < 3 or images.shape[-3] != CHANNELS:
        raise ValueError(f"{name} must be (..., 3, H, W), not {tuple(images.shape)}")
    if min(images.shape[-2:]) < side:
        height, width = images.shape[-2:]
        raise ValueError(f"{name} must be at least {side} x {side} pixels, not {height} x {width}")
    low, high = torch.aminmax(images)
    if not (low >= 0 and high <= PEAK):  # false for NaN too
        raise ValueError(f"{name} must be in 0..255, not {low.item():.4g} to {high.item():.4g}")
    return images.double()


def checked_pair(fused: Tensor, reference: Tensor, side: int = 1) -> tuple[Tensor, Tensor]:
    """Apply `checked` to both; their sizes must agree, their leading dimensions may broadcast."""
    if fused.shape[-3:] != reference.shape[-3:]:
        shapes = f"{tuple(fused.shape)} and {tuple(reference.shape)}"
        raise ValueError(f"fused and reference must have one size, not {shapes}")
    return checked(fused, "fused", side), checked(reference, "reference", side)


def gaussian(taps: int, sigma: float) -> Tensor:
    """Sample a Gaussian at `taps` points one pixel apart, normalised to sum 1: (taps,) float64."""
    offsets = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    return weights / weights.sum()


def windowed_mean(images: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean in every window that lies inside the image, by separable weights.

    Args:
        images: (..., H, W).
        weights: (taps,), the same for rows and columns.

    Returns:
        (..., H - taps + 1, W - taps + 1): nothing is assumed beyond the borders.
    """
    # A sum of shifted images: for float64 on a CPU ten times as fast as torch's convolution.
    first, *rest = weights.tolist()
    for axis in (-1, -2):
        length = images.shape[axis] - len(rest)
        total = images.narrow(axis, 0, length) * first
        for shift, weight in enumerate(rest, start=1):
            total.add_(images.narrow(axis, shift, length), alpha=weight)
        images = total
    return images
