"""A network and a data set so small that a training takes moments."""

import pytest
import torch

from tfsdiff.params import Diffusion, Sampling, Train, UNet


@pytest.fixture
def unet() -> UNet:
    return UNet(
        width=8,
        multipliers=(1, 2),
        blocks=1,
        attention_level=None,
        groups=4,
        dropout=0.1,
        initialisation="kaiming",
    )


@pytest.fixture
def diffusion() -> Diffusion:
    return Diffusion(steps=20, schedule="linear", beta_start=1e-3, beta_end=0.3, prediction="eps")


@pytest.fixture
def train() -> Train:
    return Train(
        steps=6,
        batch=4,
        optimiser="adam",
        learning_rate=1e-3,
        warmup_steps=2,
        decay="cosine",
        gradient_clip=1.0,
        ema_decay=0.9,
        crop_pixels=None,
        flip=True,
        checkpoint_steps=2,
        validation_steps=3,
    )


@pytest.fixture
def sampling() -> Sampling:
    return Sampling(sampler="ddim", steps=3, batch=2)


@pytest.fixture
def images(rng: torch.Generator) -> torch.Tensor:
    """Smooth images: (6, 3, 16, 16) in [0, 1]."""
    coarse = torch.rand(6, 3, 4, 4, generator=rng)
    return torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear")
