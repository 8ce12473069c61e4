from collections.abc import Callable

import pytest
import torch

import tiny
from inputs import generators
from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import CPU
from tfsdiff.data.resample import enlarge
from tfsdiff.diffusion.denoiser import Parametrisation
from tfsdiff.methods import build
from tfsdiff.methods.base import Examples
from tfsdiff.methods.conditional import training
from tfsdiff.methods.conditional.psf import PSF, ReleasedPSF
from tfsdiff.params import Sampling
from tfsdiff.training.log import NullLog, Recipe

PAPER = tiny.TFSDIFF | {"psf_weight": 2.0, "psf_ssim": 0.5}


def test_condition_stacks_the_enlarged_sources(examples: Callable[..., Examples]) -> None:
    data = examples(scale=4)
    pairs = build("tfsdiff", PAPER, 4).pairs(data)
    assert pairs.condition.shape == (4, 9, 16, 16)
    assert torch.equal(pairs.condition[1, 6:], enlarge(data.low.sources[1, 2], 4))
    assert torch.equal(pairs.target, data.high.truth)
    assert pairs.names == data.high.groups


def test_settings_make_network_and_losses() -> None:
    method = build("tfsdiff", PAPER, 2)
    assert (method.condition_channels, method.gate) == (9, ("sources", 3))
    assert method.image_loss() == PSF(2.0, 1.0, "signal")
    assert method.parametrisation({"diffusion": tiny.DIFFUSION.model_dump()}) == Parametrisation(
        "eps", "maximum"
    )
    changes = {"method": "tfsdiff", "psf_weight": 0.0, "prediction": "v", "base": "mean"}
    variant = build("tfsdiff_some", PAPER | changes, 2)
    assert variant.image_loss() is None
    assert variant.parametrisation({"diffusion": tiny.DIFFUSION.model_dump()}) == Parametrisation(
        "v", "mean"
    )
    assert build("tfsdiff", PAPER | {"psf": "released"}, 2).image_loss() == ReleasedPSF(1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"process": "regression"}, "eps means nothing without noise"),
        ({"psf": "released", "prediction": "x0"}, "is of the predicted noise"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build("tfsdiff", PAPER | change, 2).parametrisation(
            {"diffusion": tiny.DIFFUSION.model_dump()}
        )


@pytest.mark.parametrize("change", [{"tmfa": "some"}, {"tmfa_ratio": 0}, {"psf_weight": -1.0}])
def test_wrong_settings_are_refused(change: dict) -> None:
    with pytest.raises(InputError, match=f"methods.tfsdiff: {next(iter(change))}"):
        build("tfsdiff", PAPER | change, 2)


@pytest.mark.parametrize(
    ("tmfa", "psf_weight"),
    [
        ("sources", 1.0),
        ("none", 0.0),
        pytest.param("sources", 0.0, marks=pytest.mark.slow),
        pytest.param("all", 0.0, marks=pytest.mark.slow),
        pytest.param("all", 1.0, marks=pytest.mark.slow),
        pytest.param("none", 1.0, marks=pytest.mark.slow),
    ],
)
def test_learns_and_fuses(
    tmfa: str,
    psf_weight: float,
    examples: Callable[..., Examples],
    recipe: Recipe,
    sampling: Sampling,
) -> None:
    settings = PAPER | {"tmfa": tmfa, "psf_weight": psf_weight}
    method, rows, data = build("tfsdiff", settings, 2, sampling), tiny.Rows(), examples(scale=2)
    tiny.fit(method, data, data, recipe, CPU, rows)
    assert rows[-1][1]["validation_noise"] < 0.9  # 1 at first, as the prediction starts at zero
    assert ("validation_psf_mse" in rows[0][1]) == bool(psf_weight)
    fused = method.fuse(data.low, generators(4))
    assert fused.shape == data.high.truth.shape
    assert torch.all((fused >= 0) & (fused <= 1))
    assert any("SE_block" in key for key in method.state()[0]) == (tmfa != "none")


def test_odd_sizes_and_batches(
    examples: Callable[..., Examples], brief: Recipe, sampling: Sampling
) -> None:
    method = build("tfsdiff", PAPER, 3, sampling)
    data = examples(scale=3, pixels=21)
    tiny.fit(method, data, data, brief, CPU, NullLog())
    fused = method.fuse(data.low, generators(4))
    assert fused.shape == (4, 3, 21, 21)
    alone = Sampling(sampler="ddim", evaluations=2, spacing="time", temperature=1.0, batch=1)
    method = method.with_sampling(alone)
    torch.testing.assert_close(method.fuse(data.low, generators(4)), fused, atol=1e-4, rtol=0)


def test_restoring_draws_no_first_weights(
    examples: Callable[..., Examples],
    brief: Recipe,
    sampling: Sampling,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They take seconds for the published network, and would be overwritten at once."""
    method, data = build("tfsdiff", PAPER, 2, sampling), examples(scale=2)
    tiny.fit(method, data, data, brief, CPU, NullLog())
    drawn = []
    monkeypatch.setattr(training, "initialise", lambda *given: drawn.append(given))
    other = build("tfsdiff", PAPER, 2, sampling)
    other.restore(*method.state(), CPU)
    assert not drawn
    assert torch.equal(*(m.fuse(data.low, generators(4)) for m in (method, other)))
