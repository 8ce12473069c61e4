"""Weights of a conditional diffusion: stored, restored, refused."""

import pytest
import torch

import tiny
from inputs import generators
from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import CPU
from tfsdiff.methods import build
from tfsdiff.params import Diffusion, Sampling, UNet


def test_state_round_trip(unet: UNet, diffusion: Diffusion, sampling: Sampling) -> None:
    method = tiny.with_weights("tfsdiff", tiny.TFSDIFF, unet, diffusion)
    other = build("tfsdiff", tiny.TFSDIFF, 2)
    other.restore(*method.state(), CPU)
    condition = torch.rand(1, 9, 8, 8)
    drawn = [m.with_sampling(sampling).draw(condition, generators(1)) for m in (method, other)]
    assert torch.equal(*drawn)


def test_foreign_weights_are_refused(unet: UNet, diffusion: Diffusion) -> None:
    weights, values = tiny.with_weights("sr3", tiny.SR3, unet, diffusion).state()
    with pytest.raises(InputError, match=r"weights do not fit .*SE_block"):
        build("tfsdiff", tiny.TFSDIFF, 2).restore(weights, values, CPU)


@pytest.mark.parametrize("lacking", ["unet", "diffusion"])
def test_a_recipe_without_its_sections_is_refused(
    lacking: str, unet: UNet, diffusion: Diffusion
) -> None:
    weights, values = tiny.with_weights("sr3", tiny.SR3, unet, diffusion).state()
    rest = {key: value for key, value in values.items() if key != lacking}
    with pytest.raises(InputError, match=lacking):
        build("sr3", tiny.SR3, 2).restore(weights, rest, CPU)
