"""A network and a data set so small that a training takes moments."""

import pytest

import tiny
from tfsdiff.params import Diffusion, Sampling, UNet


@pytest.fixture
def unet() -> UNet:
    return tiny.UNET.model_copy(update={"dropout": 0.1})


@pytest.fixture
def diffusion() -> Diffusion:
    return tiny.DIFFUSION


@pytest.fixture
def sampling() -> Sampling:
    return Sampling(sampler="ddim", evaluations=3, spacing="time", temperature=1.0, batch=2)
