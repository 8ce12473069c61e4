"""Batches of images, the type that data, methods and metrics exchange; checked when made."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

SOURCES = 3
CHANNELS = 3


@dataclass(frozen=True)
class Batch:
    """Registered images of some groups, all of one size.

    Attributes:
        groups: names of the groups, one per image.
        sources: (B, 3 sources, 3 channels, H, W) in [0, 1]; the sources are anatomical 1,
            anatomical 2 and functional, each as RGB (grey images have three equal channels).
        truth: (B, 3, H, W) in [0, 1], the fused ground truth, where there is one.
        modalities: of the three sources of each group, as in a manifest; empty where unknown.
    """

    groups: tuple[str, ...]
    sources: Tensor
    truth: Tensor | None = None
    modalities: tuple[tuple[str, str, str], ...] = ()

    def __post_init__(self) -> None:
        if len(self.modalities) not in (0, len(self.groups)):
            raise ValueError(f"{len(self.modalities)} modalities for {len(self.groups)} groups")
        if self.sources.ndim != 5 or self.sources.shape[1:3] != (SOURCES, CHANNELS):
            raise ValueError(f"sources must be (B, 3, 3, H, W), not {tuple(self.sources.shape)}")
        if len(self.groups) != len(self.sources):
            raise ValueError(f"{len(self.groups)} names for {len(self.sources)} groups")
        check_unit_range(self.sources, "sources")
        if self.truth is not None:
            expected = (len(self.sources), CHANNELS, *self.sources.shape[-2:])
            if tuple(self.truth.shape) != expected:
                raise ValueError(f"truth must be {expected}, not {tuple(self.truth.shape)}")
            check_unit_range(self.truth, "truth")

    def __len__(self) -> int:
        return len(self.groups)

    def to(self, device: torch.device | str) -> "Batch":
        """Copy of this batch on `device`."""
        truth = None if self.truth is None else self.truth.to(device)
        return replace(self, sources=self.sources.to(device), truth=truth)


@dataclass(frozen=True)
class Pairs:
    """Registered pairs of an anatomical image (MR) with another one, all of one size.

    Attributes:
        names: one a pair.
        images: (N, 2 images, 3 channels, H, W) in [0, 1]; MR first, then CT, PET or SPECT; grey
            images have three equal channels.
    """

    names: tuple[str, ...]
    images: Tensor

    def __post_init__(self) -> None:
        if self.images.ndim != 5 or self.images.shape[1:3] != (2, CHANNELS):
            raise ValueError(f"images must be (N, 2, 3, H, W), not {tuple(self.images.shape)}")
        if len(self.names) != len(self.images):
            raise ValueError(f"{len(self.names)} names for {len(self.images)} pairs")
        check_unit_range(self.images, "images")

    def __len__(self) -> int:
        return len(self.names)


def check_unit_range(images: Tensor, name: str) -> None:
    """Raise ValueError unless all values of `images` are finite and in [0, 1]."""
    if images.numel() == 0:
        return
    low, high = torch.aminmax(images)
    if not (low >= 0 and high <= 1):  # false for NaN too
        raise ValueError(f"{name} must be in [0, 1], not {low.item():.4g} to {high.item():.4g}")


def luminance(images: Tensor) -> Tensor:
    """Full-range BT.601 luminance of RGB images: (..., 3, H, W) to (..., 1, H, W)."""
    weights = images.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (images * weights).sum(-3, keepdim=True)


def levels(images: Tensor) -> Tensor:
    """8-bit levels 0..255, in float64, to which a PNG file rounds images in [0, 1]."""
    return torch.floor(images.double() * 255 + 0.5).clamp(0, 255)
