from collections.abc import Callable

import pytest
import torch

from tfsdiff.data.degrade import enlarge
from tfsdiff.errors import InputError
from tfsdiff.fusers import build
from tfsdiff.fusers.base import Examples, Recipe
from tfsdiff.params import Sampling

CPU = torch.device("cpu")
PAPER = {"tmfa": "sources", "tmfa_ratio": 3, "psf_weight": 2.0, "psf_mse": 1.0, "psf_ssim": 0.5}


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(i) for i in range(count)]


def test_condition_stacks_the_enlarged_sources(examples: Callable[..., Examples]) -> None:
    data = examples(scale=4)
    condition, target = build("tfsdiff", PAPER, 4).pairs(data)
    assert condition.shape == (4, 9, 16, 16)
    assert torch.equal(condition[1, 6:], enlarge(data.low.sources[1, 2], 4))
    assert torch.equal(target, data.high.truth)


def test_settings_make_the_design() -> None:
    design = build("tfsdiff", PAPER, 2).design
    assert (design.condition_channels, design.gate, design.gate_ratio) == (9, "sources", 3)
    assert (design.psf_mse, design.psf_ssim) == (2.0, 1.0)
    without = build("tfsdiff_no_psf", PAPER | {"psf_weight": 0.0}, 2).design
    assert (without.psf_mse, without.psf_ssim) == (0, 0)


@pytest.mark.parametrize("change", [{"tmfa": "some"}, {"tmfa_ratio": 0}, {"psf_weight": -1.0}])
def test_wrong_settings_are_refused(change: dict) -> None:
    with pytest.raises(InputError, match=f"zoo.tfsdiff: {next(iter(change))}"):
        build("tfsdiff", PAPER | change, 2)


@pytest.mark.parametrize("tmfa", ["sources", "all", "none"])
@pytest.mark.parametrize("psf_weight", [0.0, 1.0])
def test_learns_and_fuses(
    tmfa: str,
    psf_weight: float,
    examples: Callable[..., Examples],
    recipe: Recipe,
    sampling: Sampling,
) -> None:
    settings = PAPER | {"tmfa": tmfa, "psf_weight": psf_weight}
    member, rows, data = build("tfsdiff", settings, 2, sampling), [], examples(scale=2)
    member.fit(data, data, recipe, CPU, lambda step, values: rows.append(values))
    assert rows[-1]["validation_noise"] < 0.9  # 1 at first, as the prediction starts at zero
    assert ("validation_psf_mse" in rows[0]) == bool(psf_weight)
    fused = member.fuse(data.low, generators(4))
    assert fused.shape == data.high.truth.shape
    assert torch.all((fused >= 0) & (fused <= 1))
    assert any("SE_block" in key for key in member.state()[0]) == (tmfa != "none")


def test_odd_sizes_and_batches(
    examples: Callable[..., Examples], brief: Recipe, sampling: Sampling
) -> None:
    member = build("tfsdiff", PAPER, 3, sampling)
    data = examples(scale=3, pixels=21)
    member.fit(data, data, brief, CPU, lambda step, values: None)
    fused = member.fuse(data.low, generators(4))
    assert fused.shape == (4, 3, 21, 21)
    alone = Sampling(sampler="ddim", steps=2, batch=1)
    member.sampling = alone
    torch.testing.assert_close(member.fuse(data.low, generators(4)), fused, atol=1e-4, rtol=0)
