"""TFS-Diff guided by an enlarger and BitonicX."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny
from inputs import generators
from tfsdiff import methods
from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import CPU
from tfsdiff.core.tensors import Batch, levels
from tfsdiff.data.least_squares import CLASSES, TAPS, Filters
from tfsdiff.methods import build
from tfsdiff.methods.base import Examples
from tfsdiff.methods.tfsdiff_guided.guide import Guide
from tfsdiff.params import Sampling, Train
from tfsdiff.training.log import NullLog, Recipe

SAMPLING = Sampling(sampler="ddim", evaluations=1, spacing="time", temperature=1.0, batch=3)
SETTINGS = tiny.TFSDIFF | {"prediction": "preconditioned", "guide": "least_squares", "steps": None}


def filters() -> methods.Method:
    """The enlarger `least_squares` with some filters."""
    method = build("least_squares", {}, 2)
    rng = torch.Generator().manual_seed(2)
    method.filters = Filters(2, torch.randn(CLASSES, TAPS, 4, generator=rng) / 50)
    return method


def guided_by(guide: methods.Method, data: Examples) -> Examples:
    """Examples as the stage `guide` makes them."""
    made = Guide.of(guide)(data.low, generators(len(data.low)))
    return replace(data, guided=made)


def test_guide_enlarges_and_fuses_in_8_bit_levels(examples: Callable[..., Examples]) -> None:
    low, enlarger = examples(scale=2, pixels=32).low, filters()
    made = Guide.of(enlarger)(low, generators(len(low)))
    wanted = levels(enlarger.enlarge(low.sources.flatten(0, 1), [])) / 255
    torch.testing.assert_close(made.sources.flatten(0, 1), wanted.float())
    fuser = Guide.of(enlarger).fuser
    fused = fuser.fuse(Batch(low.groups, made.sources), generators(len(low)))
    torch.testing.assert_close(made.truth, (levels(fused) / 255).float())


@pytest.mark.parametrize("name", ["least_squares", "sr3"])
def test_it_learns_and_draws_by_its_guide_alone(
    name: str,
    examples: Callable[..., Examples],
    train: Train,
    tmp_path: Path,
) -> None:
    """What is drawn for low-resolution sources is what was trained on guided ones; it is stored."""
    guide = filters()
    if name == "sr3":
        guide = tiny.with_weights("sr3", tiny.SR3, tiny.UNET, tiny.DIFFUSION)
    data = guided_by(guide.with_sampling(SAMPLING), examples(scale=2, pixels=32))
    method = build("tfsdiff_guided", SETTINGS | {"guide": name}, 2, SAMPLING)
    method.guide_by(guide)
    recipe = Recipe(1, tmp_path / "checkpoints", tiny.UNET, tiny.DIFFUSION, train)
    tiny.fit(method, data, data, recipe, CPU, NullLog())
    drawn = method.fuse(data.low, generators(len(data.low)))
    condition = torch.cat([data.guided.sources.flatten(1, 2), data.guided.truth], 1)
    assert torch.equal(method.condition_of(data), condition)
    methods.save_method(tmp_path / "model", "tfsdiff_guided", method)
    stored = methods.load_method(tmp_path / "model", CPU, SAMPLING)
    assert torch.equal(stored.fuse(data.low, generators(len(data.low))), drawn)
    assert drawn.shape == data.high.truth.shape


def test_first_guess_is_what_the_network_adds_to(
    examples: Callable[..., Examples],
) -> None:
    """A network that puts out nothing draws the guess, for one evaluation."""
    data = guided_by(filters(), examples(scale=2, pixels=32))
    method = build("tfsdiff_guided", SETTINGS, 2, SAMPLING)
    method.guide_by(filters())
    sections = {"unet": tiny.UNET.model_dump(), "diffusion": tiny.DIFFUSION.model_dump()}
    recipe = sections | {"residual": {"overall": 1e-3}}
    network = method.new_network(recipe)
    torch.nn.init.zeros_(network.final_conv.block[-1].weight)
    torch.nn.init.zeros_(network.final_conv.block[-1].bias)
    method.set_network(CPU.place(network.eval()), recipe, CPU)
    drawn = method.fuse(data.low, generators(len(data.low)))
    torch.testing.assert_close(drawn, data.guided.truth, atol=1e-3, rtol=0)


def test_what_it_lacks_is_said(examples: Callable[..., Examples]) -> None:
    data = examples(scale=2)
    method = build("tfsdiff_guided", SETTINGS, 2)
    with pytest.raises(ValueError, match="needs examples that its guide has enlarged"):
        method.pairs(data)
    with pytest.raises(ValueError, match="needs its guide"):
        method.fuse(data.low, generators(len(data.low)))
    with pytest.raises(InputError, match="is guided by least_squares, not sr3"):
        method.guide_by(build("sr3", tiny.SR3, 2))
    with pytest.raises(InputError, match="lacks guide, the settings of its guide"):
        method.restore({}, {}, CPU)
