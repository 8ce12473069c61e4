"""What a conditional diffusion learns, by SR3 (noise objective alone) and TFS-Diff (L_PSF too)."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

import tiny
from inputs import generators
from tfsdiff.core.backend import CPU
from tfsdiff.methods import build
from tfsdiff.methods.conditional.method import ConditionalMethod, ConditionalPairs
from tfsdiff.methods.conditional.training import DenoisingObjective, fit
from tfsdiff.params import Diffusion, Train, UNet
from tfsdiff.training.log import Recipe

PSF = {"psf_weight": 1.0, "psf_mse": 1.0, "psf_ssim": 0.2, "tmfa_ratio": 4}
SETTINGS = {"sr3": tiny.SR3, "tfsdiff": tiny.TFSDIFF | PSF}
PREDICTIONS = [("diffusion", kind) for kind in ("eps", "v", "x0", "residual", "preconditioned")]
PREDICTIONS += [("regression", "x0")]
USUAL = [("tfsdiff", "diffusion", "residual")]


def pairs_of(method: ConditionalMethod, images: Tensor) -> ConditionalPairs:
    """Images to be drawn from themselves, in [0, 1]."""
    condition = images.repeat(1, method.condition_channels // 3, 1, 1)
    return ConditionalPairs(tuple("abcdef"), condition, images)


def objective_of(method: ConditionalMethod, images: Tensor, train: Train) -> DenoisingObjective:
    pairs = pairs_of(method, images).for_network(2)
    return DenoisingObjective.of(method, tiny.denoiser(method), pairs, train, "time")


@pytest.mark.parametrize(
    ("name", "process", "kind"),
    [
        pytest.param(name, *one, marks=[] if (name, *one) in USUAL else pytest.mark.slow)
        for name in SETTINGS
        for one in PREDICTIONS
    ],
)
def test_loss_falls_on_one_batch(
    name: str,
    process: str,
    kind: str,
    unet: UNet,
    diffusion: Diffusion,
    train: Train,
    images: Tensor,
    tmp_path: Path,
) -> None:
    train = train.model_copy(
        update={"steps": 40, "learning_rate": 6e-3, "validation_steps": 5, "batch": 6}
    )
    method = build(name, SETTINGS[name] | {"process": process, "prediction": kind}, 1)
    stacked = method.condition_channels // 3
    condition = images.roll(1, -1).repeat(1, stacked, 1, 1)
    given = ConditionalPairs(tuple("abcdef"), condition, images)
    method.pairs = lambda examples: given
    examples = SimpleNamespace(computed=())
    recipe, rows = Recipe(1, tmp_path, unet, diffusion, train), tiny.Rows()
    fit(method, examples, examples, recipe, CPU, rows)
    assert rows[-1][1]["validation_loss"] < 0.9 * rows[0][1]["validation_loss"]
    terms = {key for key in rows[0][1] if key.startswith("train_")}
    assert ("train_psf_ssim" in terms) == (name == "tfsdiff")
    assert rows.sheet.shape == (3, 2 * 16, (stacked + 2) * 16)
    assert rows[-1][1]["validation_psnr"] > rows[0][1]["validation_psnr"]


def test_loss_is_the_sum_of_its_weighted_terms(
    unet: UNet, diffusion: Diffusion, train: Train, images: Tensor
) -> None:
    method = tiny.with_weights("tfsdiff", SETTINGS["tfsdiff"], unet, diffusion)
    objective = objective_of(method, images, train)
    terms = objective.loss(tiny.denoiser(method), *objective.draw(torch.arange(6), generators(6)))
    expected = terms["noise"] + 1.0 * terms["psf_mse"] + 0.2 * terms["psf_ssim"]
    assert terms["loss"].item() == pytest.approx(expected.item())
    assert min(terms.values()) > 0


@pytest.mark.parametrize(("norm", "power"), [("l2", 2), ("l1", 1)])
def test_noise_loss_is_the_mean_square_or_magnitude(
    norm: str, power: int, unet: UNet, diffusion: Diffusion, train: Train, images: Tensor
) -> None:
    method = tiny.with_weights("sr3", tiny.SR3 | {"noise_loss": norm}, unet, diffusion)
    objective = objective_of(method, images, train)
    condition, x_0, eps, g = objective.draw(torch.arange(6), generators(6))
    denoiser = tiny.denoiser(method)
    terms = objective.loss(denoiser, condition, x_0, eps, g)
    signal, noise = g.view(-1, 1, 1, 1), (1 - g**2).sqrt().view(-1, 1, 1, 1)
    output = denoiser(condition, (signal * x_0 + noise * eps).float(), g).output
    expected = (output - eps).abs().pow(power).mean().item()
    assert terms["noise"].item() == pytest.approx(expected, rel=1e-4)
    assert set(terms) == {"noise", "loss"}


def test_released_term_joins_the_objective_at_its_true_weight(
    unet: UNet, diffusion: Diffusion, train: Train, images: Tensor
) -> None:
    settings = tiny.TFSDIFF | {"psf": "released", "psf_ssim": 1.0, "noise_loss": "l1"}
    method = tiny.with_weights("tfsdiff", settings, unet, diffusion)
    objective = objective_of(method, images, train)
    terms = objective.loss(tiny.denoiser(method), *objective.draw(torch.arange(6), generators(6)))
    assert 0 < terms["psf_released"].item() < 0.5 / images.numel()
    assert terms["loss"].item() == pytest.approx((terms["noise"] + terms["psf_released"]).item())


def test_regression_learns_without_noise(
    unet: UNet, diffusion: Diffusion, train: Train, images: Tensor
) -> None:
    """Its loss is the same whatever noise is drawn, and its images weigh alike."""
    settings = SETTINGS["tfsdiff"] | {"process": "regression", "prediction": "x0"}
    method = tiny.with_weights("tfsdiff", settings, unet, diffusion)
    objective = objective_of(method, images, train)
    condition, x_0, eps, g = objective.draw(torch.arange(6), generators(6))
    first = objective.loss(tiny.denoiser(method), condition, x_0, eps, g)
    other = objective.loss(tiny.denoiser(method), condition, x_0, 2 * eps, g / 2)
    assert first == other
    assert method.image_loss().levels == "uniform"


def test_order_of_the_batch_does_not_change_an_example(
    unet: UNet, diffusion: Diffusion, train: Train, images: Tensor
) -> None:
    method = tiny.with_weights("sr3", tiny.SR3, unet, diffusion)
    objective = objective_of(method, images, train)
    both = objective.draw(torch.tensor([1, 4]), generators(2))
    alone = objective.draw(torch.tensor([4]), generators(1, 1))
    assert all(torch.equal(x[1:], y) for x, y in zip(both, alone, strict=True))


@pytest.fixture
def places() -> ConditionalPairs:
    """Every pixel of the target holds its place; the condition repeats it three times."""
    place = torch.arange(2 * 24 * 20, dtype=torch.float32).view(2, 1, 24, 20)
    return ConditionalPairs(("a", "b"), place.expand(2, 9, 24, 20), place.expand(2, 3, 24, 20))


def drawn(
    pairs: ConditionalPairs, indices: list[int], train: Train, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Crops of condition and target."""
    method = tiny.with_weights("sr3", tiny.SR3, tiny.UNET, tiny.DIFFUSION)
    objective = DenoisingObjective.of(method, tiny.denoiser(method), pairs, train, "time")
    return objective.draw(torch.tensor(indices), [rng] * len(indices))[:2]


def cropped(train: Train, pixels: int | None, augment: str = "none") -> Train:
    return train.model_copy(update={"crop_pixels": pixels, "augment": augment})


@pytest.mark.parametrize("augment", ["none", "flip", "square"])
def test_condition_and_target_are_cut_and_turned_alike(
    augment: str, places: ConditionalPairs, train: Train, rng: torch.Generator
) -> None:
    condition, target = drawn(places, [0, 1, 1], cropped(train, 8, augment), rng)
    assert condition.shape == (3, 9, 8, 8)
    assert torch.equal(condition[:, 3:6], target)


def test_unequal_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        ConditionalPairs(("a", "b"), torch.zeros(2, 9, 8, 8), torch.zeros(2, 3, 8, 4))
