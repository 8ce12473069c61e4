from collections.abc import Callable

import pytest
import torch

import tiny
from inputs import generators
from tfsdiff.core.backend import CPU
from tfsdiff.data.resample import enlarge
from tfsdiff.methods import build
from tfsdiff.methods.base import Examples
from tfsdiff.params import Sampling
from tfsdiff.training.log import NullLog, Recipe


def test_every_source_is_an_example(examples: Callable[..., Examples]) -> None:
    data = examples(scale=4)
    pairs = build("sr3", tiny.SR3, 4).pairs(data)
    assert torch.equal(pairs.target, data.high.sources.reshape(12, 3, 16, 16))
    assert torch.equal(pairs.condition[7], enlarge(data.low.sources[2, 1], 4))
    assert pairs.names[7] == "g2 source 2"


def test_learns_and_enlarges(
    examples: Callable[..., Examples], recipe: Recipe, sampling: Sampling
) -> None:
    method, rows = build("sr3", tiny.SR3, 2, sampling), tiny.Rows()
    data = examples(scale=2)
    tiny.fit(method, data, data, recipe, CPU, rows)
    assert rows[-1][1]["validation_noise"] < 0.9  # 1 at first, as the prediction starts at zero
    assert set(rows[0][1]) == {
        "train_loss",
        "train_noise",
        "train_gradient_norm",
        "validation_loss",
        "validation_noise",
        "validation_psnr",
        "validation_ssim",
        "learning_rate",
    }
    enlarged = method.enlarge(torch.rand(2, 3, 7, 5), generators(2))
    assert enlarged.shape == (2, 3, 14, 10)
    assert torch.all((enlarged >= 0) & (enlarged <= 1))


def test_grey_stays_grey_and_colour_stays_colour(
    examples: Callable[..., Examples], brief: Recipe, sampling: Sampling
) -> None:
    method = build("sr3", tiny.SR3, 2, sampling)
    tiny.fit(method, examples(scale=2), examples(scale=2), brief, CPU, NullLog())
    low = examples(scale=2).low.sources[0]
    grey, _, coloured = method.enlarge(low, generators(3))
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])
    assert not torch.equal(coloured[0], coloured[1])


def test_cannot_draw_before_it_has_learned(sampling: Sampling) -> None:
    with pytest.raises(ValueError, match="needs weights"):
        build("sr3", tiny.SR3, 2, sampling).enlarge(torch.rand(1, 3, 4, 4), generators(1))
