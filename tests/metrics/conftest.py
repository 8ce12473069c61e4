"""Images to score: made ones, and real slices where the shared data are."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tfsdiff.metrics.lpips import load

GROUPS = ("case36-034", "petnormal-023", "case28-010")


def read(path: Path) -> Tensor:
    """Read an image as (3, H, W) uint8."""
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


@pytest.fixture
def pair(rng) -> tuple[Tensor, Tensor]:
    """Four random images and four noisy copies, (4, 3, 72, 64) with whole values in 0..255."""
    # Blocks of random brightness: something for windows to hold on to, and a different size a side.
    coarse = torch.randint(20, 230, (4, 3, 9, 8), generator=rng).double()
    reference = coarse.repeat_interleave(8, -1).repeat_interleave(8, -2)
    return noisy(reference, 20.0, rng), noisy(reference, 8.0, rng)


def noisy(images: Tensor, sigma: float, rng: torch.Generator) -> Tensor:
    """Add white noise and quantise to 0..255."""
    noise = torch.randn(images.shape, generator=rng, dtype=torch.float64)
    return (images + sigma * noise).round().clamp(0, 255)


@pytest.fixture(scope="session")
def real(shared) -> tuple[Tensor, Tensor]:
    """Fused images of the authors' BitonicX code (3, 3, 256, 256), sources (3, 3, 3, 256, 256)."""
    folder = shared / "data/harvard-triples/images"
    fused = [read(shared / "reference/bitonicx" / f"{group}.png") for group in GROUPS]
    sources = [torch.stack([read(p) for p in sorted((folder / g).iterdir())]) for g in GROUPS]
    return torch.stack(fused), torch.stack(sources)


@pytest.fixture(scope="session")
def network(shared):
    """LPIPS with the real backbone."""
    return load(str(shared / "weights/alexnet_features.safetensors"))


def packaged(features: dict[str, Tensor]) -> nn.Module:
    """LPIPS as the package `lpips` builds it, with its own heads, on the backbone `features`."""
    lpips = pytest.importorskip("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision in its old way
        package = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    for slot, layer in enumerate((0, 3, 6, 8, 10), start=1):
        convolution = package.net.get_submodule(f"slice{slot}.{layer}")
        convolution.weight.data = features[f"features.{layer}.weight"]
        convolution.bias.data = features[f"features.{layer}.bias"]
    return package.requires_grad_(False)
