"""What many tests give to a method: generators, and smooth images of two grey sources and a colour.

Smooth, as images are: white noise would be mostly lost at another scale.
"""

import torch
from torch import Tensor


def generators(count: int, first: int = 0) -> list[torch.Generator]:
    """Generators of the seeds `first`, `first` + 1, ..., one an image."""
    return [torch.Generator().manual_seed(first + i) for i in range(count)]


def smooth_sources(
    count: int, height: int, width: int, seed: int, cells: int = 4, mode: str = "bilinear"
) -> Tensor:
    """Sources (count, 3, 3, H, W) in [0, 1], interpolated between `cells` random values a side."""
    coarse = torch.rand(count * 3, 3, cells, cells, generator=torch.Generator().manual_seed(seed))
    images = torch.nn.functional.interpolate(coarse, (height, width), mode=mode).clamp(0, 1)
    sources = images.view(count, 3, 3, height, width)
    sources[:, :2] = sources[:, :2, :1]  # anatomical images are grey
    return sources
