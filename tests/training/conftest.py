"""A network and a data set so small that a training takes moments."""

import pytest
import torch

import tiny
from tfsdiff.params import Diffusion, Sampling, Train, UNet


@pytest.fixture
def unet() -> UNet:
    return tiny.UNET.model_copy(update={"dropout": 0.1})


@pytest.fixture
def diffusion() -> Diffusion:
    return tiny.DIFFUSION


@pytest.fixture
def train() -> Train:
    return tiny.TRAIN


@pytest.fixture
def sampling() -> Sampling:
    return Sampling(sampler="ddim", steps=3, spacing="time", batch=2)


@pytest.fixture
def images(rng: torch.Generator) -> torch.Tensor:
    """Smooth images: (6, 3, 16, 16) in [0, 1]."""
    coarse = torch.rand(6, 3, 4, 4, generator=rng)
    return torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear")
