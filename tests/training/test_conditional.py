from pathlib import Path

import pytest
import torch
from torch import Tensor

from tfsdiff.errors import InputError
from tfsdiff.params import Diffusion, Sampling, Train, UNet
from tfsdiff.tensors import luminance
from tfsdiff.training.conditional import ConditionalDiffusion, Design, first_guess
from tfsdiff.training.recipe import Recipe

CPU = torch.device("cpu")
PLAIN = Design(condition_channels=3, gate="none", gate_ratio=1, psf_mse=0.0, psf_ssim=0.0)
FULL = Design(condition_channels=9, gate="sources", gate_ratio=4, psf_mse=1.0, psf_ssim=0.2)


def silent(step: int, values: dict[str, float]) -> None:
    """Log nothing."""


def generators(count: int, first: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(first + i) for i in range(count)]


def lively(unet: UNet) -> UNet:
    """Settings of a network whose first prediction is not zero."""
    return unet.model_copy(update={"initialisation": "orthogonal"})


@pytest.mark.parametrize("design", [PLAIN, FULL])
@pytest.mark.parametrize("kind", ["eps", "v", "x0", "residual"])
def test_loss_falls_on_one_batch(
    design: Design,
    kind: str,
    unet: UNet,
    diffusion: Diffusion,
    train: Train,
    images: Tensor,
    tmp_path: Path,
) -> None:
    diffusion = diffusion.model_copy(update={"prediction": kind})
    train = train.model_copy(
        update={"steps": 40, "learning_rate": 3e-3, "validation_steps": 1, "batch": 6}
    )
    pairs = images.roll(1, -1).repeat(1, design.condition_channels // 3, 1, 1), images
    rows = []
    model = ConditionalDiffusion(design, unet, diffusion, seed=1)
    model.fit(
        "x",
        pairs,
        pairs,
        1,
        Recipe(unet, diffusion, train, 1, tmp_path),
        CPU,
        lambda step, values: rows.append(values),
    )
    assert rows[-1]["validation_loss"] < 0.9 * rows[0]["validation_loss"]
    terms = {key for key in rows[0] if key.startswith("train_")}
    assert ("train_psf_ssim" in terms) == (design is FULL)


def test_loss_is_the_sum_of_its_weighted_terms(
    unet: UNet, diffusion: Diffusion, images: Tensor
) -> None:
    model = ConditionalDiffusion(FULL, lively(unet), diffusion, seed=1)
    g = torch.linspace(0.2, 0.9, 6, dtype=torch.float64)
    terms = model._terms(
        model.network.eval(), images.repeat(1, 3, 1, 1), images, torch.randn(images.shape), g
    )
    expected = terms["noise"] + 1.0 * terms["psf_mse"] + 0.2 * terms["psf_ssim"]
    assert terms["loss"].item() == pytest.approx(expected.item())
    assert min(terms.values()) > 0


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
@pytest.mark.parametrize("size", [(16, 16), (13, 18), (1, 7)])
def test_sample_has_the_size_and_range_of_its_condition(
    sampler: str, size: tuple[int, int], unet: UNet, diffusion: Diffusion
) -> None:
    model = ConditionalDiffusion(PLAIN, lively(unet), diffusion, seed=1)
    sampling = Sampling(sampler=sampler, steps=4, batch=2)
    drawn = model.sample(torch.rand(3, 3, *size), generators(3), sampling)
    assert drawn.shape == (3, 3, *size)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
def test_batch_equals_single_images(sampler: str, unet: UNet, diffusion: Diffusion) -> None:
    model = ConditionalDiffusion(FULL, lively(unet), diffusion, seed=1)
    condition = torch.rand(5, 9, 12, 12)
    drawn = [
        model.sample(condition, generators(5), Sampling(sampler=sampler, steps=4, batch=batch))
        for batch in (1, 3, 5)
    ]
    torch.testing.assert_close(drawn[0], drawn[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn[0], drawn[2], atol=1e-4, rtol=0)
    again = model.sample(
        condition[2:3], generators(1, 2), Sampling(sampler=sampler, steps=4, batch=1)
    )
    torch.testing.assert_close(again[0], drawn[2][2], atol=1e-4, rtol=0)


def test_sample_is_determined_by_its_generators(unet: UNet, diffusion: Diffusion) -> None:
    model = ConditionalDiffusion(PLAIN, lively(unet), diffusion, seed=1)
    condition, sampling = torch.rand(1, 3, 8, 8), Sampling(sampler="ddim", steps=2, batch=1)
    first = model.sample(condition, generators(1, 3), sampling)
    assert torch.equal(first, model.sample(condition, generators(1, 3), sampling))
    assert not torch.equal(first, model.sample(condition, generators(1, 4), sampling))


def test_untrained_residual_returns_the_first_guess(unet: UNet, diffusion: Diffusion) -> None:
    diffusion = diffusion.model_copy(update={"prediction": "residual"})
    model = ConditionalDiffusion(PLAIN, unet, diffusion, seed=1)
    condition = torch.rand(2, 3, 9, 9)
    drawn = model.sample(condition, generators(2), Sampling(sampler="ddim", steps=5, batch=2))
    torch.testing.assert_close(drawn, condition, atol=1e-5, rtol=0)


def test_first_guess_is_bright_and_coloured_like_the_last_image() -> None:
    image = torch.rand(1, 3, 4, 4) * 2 - 1
    torch.testing.assert_close(first_guess(image), image)
    grey = torch.full((1, 3, 4, 4), -0.2)
    functional = torch.tensor([0.1, -0.5, -0.4]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    guess = first_guess(torch.cat([grey - 0.3, grey, functional], dim=1))
    torch.testing.assert_close(luminance(guess), grey[:, :1])
    torch.testing.assert_close(guess[:, 0] - guess[:, 1], functional[:, 0] - functional[:, 1])


def test_state_round_trip(unet: UNet, diffusion: Diffusion) -> None:
    model = ConditionalDiffusion(FULL, lively(unet), diffusion, seed=1)
    other = ConditionalDiffusion(FULL, unet, diffusion, seed=2)
    other.restore(model.state(), CPU)
    condition, sampling = torch.rand(1, 9, 8, 8), Sampling(sampler="ddim", steps=2, batch=1)
    drawn = [m.sample(condition, generators(1), sampling) for m in (model, other)]
    torch.testing.assert_close(*drawn)


def test_foreign_weights_are_refused(unet: UNet, diffusion: Diffusion) -> None:
    weights = ConditionalDiffusion(PLAIN, unet, diffusion, seed=1).state()
    with pytest.raises(InputError, match=r"weights do not fit .*SE_block"):
        ConditionalDiffusion(FULL, unet, diffusion, seed=1).restore(weights, CPU)


def test_one_generator_an_image_is_asked_for(unet: UNet, diffusion: Diffusion) -> None:
    model = ConditionalDiffusion(PLAIN, unet, diffusion, seed=1)
    sampling = Sampling(sampler="ddim", steps=2, batch=1)
    with pytest.raises(ValueError, match="2 generators for 3 images"):
        model.sample(torch.rand(3, 3, 8, 8), generators(2), sampling)


def test_more_evaluations_than_steps_are_refused(unet: UNet, diffusion: Diffusion) -> None:
    model = ConditionalDiffusion(PLAIN, unet, diffusion, seed=1)
    sampling = Sampling(sampler="ddim", steps=21, batch=1)
    with pytest.raises(InputError, match=r"sampling\.steps: 21 is more than the 20 steps"):
        model.sample(torch.rand(1, 3, 8, 8), generators(1), sampling)
