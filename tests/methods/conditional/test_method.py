from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import tiny
from inputs import generators
from tfsdiff.common.errors import InputError
from tfsdiff.core import backend
from tfsdiff.core.backend import CPU, Backend
from tfsdiff.core.tensors import luminance
from tfsdiff.diffusion import schedule
from tfsdiff.methods.conditional.model import ConditionalDiffusion, Design, Stack
from tfsdiff.methods.conditional.objective import ConditionalExamples, Denoising, first_guess
from tfsdiff.params import Diffusion, Sampling, Train, UNet
from tfsdiff.training.log import Recipe

PLAIN = Design(3, "none", 1, tiny.goal())
FULL = Design(9, "sources", 4, tiny.goal(psf_mse=1.0, psf_ssim=0.2))


def predicting(design: Design, kind: str, process: str = "diffusion") -> Design:
    return replace(design, goal=replace(design.goal, prediction=kind, process=process))


def placed(design: Design, unet: UNet, diffusion: Diffusion, seed: int = 1) -> ConditionalDiffusion:
    """A model that can draw, with first weights that do something."""
    model = ConditionalDiffusion(design, lively(unet), diffusion, seed)
    model.restore(model.state(), CPU)
    return model


def lively(unet: UNet) -> UNet:
    """Settings of a network whose first prediction is not zero."""
    return unet.model_copy(update={"initialisation": "orthogonal"})


@pytest.mark.parametrize("design", [PLAIN, FULL])
@pytest.mark.parametrize(
    ("process", "kind"),
    [("diffusion", kind) for kind in ("eps", "v", "x0", "residual")] + [("regression", "x0")],
)
def test_loss_falls_on_one_batch(
    design: Design,
    process: str,
    kind: str,
    unet: UNet,
    diffusion: Diffusion,
    train: Train,
    images: Tensor,
    tmp_path: Path,
) -> None:
    design = predicting(design, kind, process)
    train = train.model_copy(
        update={"steps": 60, "learning_rate": 6e-3, "validation_steps": 20, "batch": 6}
    )
    condition = images.roll(1, -1).repeat(1, design.condition_channels // 3, 1, 1)
    stack, rows = Stack(tuple("abcdef"), condition, images), tiny.Rows()
    model = ConditionalDiffusion(design, unet, diffusion, seed=1)
    model.fit("x", stack, stack, 1, Recipe(1, tmp_path, unet, diffusion, train), CPU, rows)
    assert rows[-1][1]["validation_loss"] < 0.9 * rows[0][1]["validation_loss"]
    terms = {key for key in rows[0][1] if key.startswith("train_")}
    assert ("train_psf_ssim" in terms) == (design.condition_channels == 9)
    assert rows.grid.shape == (3, 2 * 16, (design.condition_channels // 3 + 2) * 16)
    assert rows[-1][1]["validation_psnr"] > rows[0][1]["validation_psnr"]


def test_loss_is_the_sum_of_its_weighted_terms(
    unet: UNet, diffusion: Diffusion, train: Train, images: Tensor
) -> None:
    pairs = ConditionalExamples(
        tuple("abcdef"), 2 * images.repeat(1, 3, 1, 1) - 1, 2 * images - 1, 1
    )
    task = Denoising(pairs, FULL.goal, schedule.make(diffusion), train, CPU)
    network = placed(FULL, unet, diffusion).network
    terms = task.loss(network, *task.draw(torch.arange(6), generators(6)))
    expected = terms["noise"] + 1.0 * terms["psf_mse"] + 0.2 * terms["psf_ssim"]
    assert terms["loss"].item() == pytest.approx(expected.item())
    assert min(terms.values()) > 0


def test_released_term_joins_the_objective_at_its_true_weight(
    unet: UNet, diffusion: Diffusion, train: Train, images: Tensor
) -> None:
    goal = tiny.goal(psf="released", psf_ssim=1.0, norm="l1")
    pairs = ConditionalExamples(tuple("abcdef"), 2 * images - 1, 2 * images - 1, 1)
    task = Denoising(pairs, goal, schedule.make(diffusion), train, CPU)
    terms = task.loss(
        placed(PLAIN, unet, diffusion).network, *task.draw(torch.arange(6), generators(6))
    )
    assert 0 < terms["psf_released"].item() < 0.5 / images.numel()
    assert terms["loss"].item() == pytest.approx((terms["noise"] + terms["psf_released"]).item())


def test_regression_sees_no_noise_and_draws_in_one_evaluation(
    unet: UNet, diffusion: Diffusion, train: Train, images: Tensor
) -> None:
    design = predicting(PLAIN, "x0", "regression")
    pairs = ConditionalExamples(tuple("abcdef"), 2 * images - 1, 2 * images - 1, 1)
    task = Denoising(pairs, design.goal, schedule.make(diffusion), train, CPU)
    _, _, eps, g = task.draw(torch.arange(6), generators(6))
    assert not eps.any()
    assert len(set(g.tolist())) == 1
    model, calls = placed(design, unet, diffusion), []
    model.network.register_forward_hook(lambda *_: calls.append(1))
    sampling = Sampling(sampler="ddim", evaluations=5, spacing="time", batch=6)
    first = model.sample(images, generators(6), sampling)
    assert len(calls) == 1
    assert torch.equal(first, model.sample(images, generators(6, 9), sampling))


def test_order_of_the_batch_does_not_change_an_example(
    diffusion: Diffusion, train: Train, images: Tensor
) -> None:
    pairs = ConditionalExamples(tuple("abcdef"), 2 * images - 1, 2 * images - 1, 1)
    task = Denoising(pairs, PLAIN.goal, schedule.make(diffusion), train, CPU)
    both = task.draw(torch.tensor([1, 4]), generators(2))
    alone = task.draw(torch.tensor([4]), generators(1, 1))
    assert all(torch.equal(x[1:], y) for x, y in zip(both, alone, strict=True))


@pytest.mark.skipif(not backend.has_bfloat16(), reason="this CPU has no bfloat16 instructions")
def test_bfloat16_draws_nearly_the_same(unet: UNet, diffusion: Diffusion) -> None:
    model = placed(FULL, unet, diffusion)
    sampling = Sampling(sampler="ddim", evaluations=4, spacing="time", batch=2)
    condition = torch.rand(2, 9, 16, 16)
    exact = model.sample(condition, generators(2), sampling)
    model.restore(model.state(), Backend(torch.device("cpu"), "bfloat16"))
    rough = model.sample(condition, generators(2), sampling)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().mean() < 0.02


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
@pytest.mark.parametrize("size", [(16, 16), (13, 18), (1, 7)])
def test_sample_has_the_size_and_range_of_its_condition(
    sampler: str, size: tuple[int, int], unet: UNet, diffusion: Diffusion
) -> None:
    model = placed(PLAIN, unet, diffusion)
    sampling = Sampling(sampler=sampler, evaluations=4, spacing="time", batch=2)
    drawn = model.sample(torch.rand(3, 3, *size), generators(3), sampling)
    assert drawn.shape == (3, 3, *size)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
def test_batch_equals_single_images(sampler: str, unet: UNet, diffusion: Diffusion) -> None:
    model = placed(FULL, unet, diffusion)
    condition = torch.rand(5, 9, 12, 12)
    drawn = [
        model.sample(
            condition,
            generators(5),
            Sampling(sampler=sampler, evaluations=4, spacing="time", batch=batch),
        )
        for batch in (1, 3, 5)
    ]
    torch.testing.assert_close(drawn[0], drawn[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn[0], drawn[2], atol=1e-4, rtol=0)
    again = model.sample(
        condition[2:3],
        generators(1, 2),
        Sampling(sampler=sampler, evaluations=4, spacing="time", batch=1),
    )
    torch.testing.assert_close(again[0], drawn[2][2], atol=1e-4, rtol=0)


def test_sample_is_determined_by_its_generators(unet: UNet, diffusion: Diffusion) -> None:
    model = placed(PLAIN, unet, diffusion)
    condition, sampling = (
        torch.rand(1, 3, 8, 8),
        Sampling(sampler="ddim", evaluations=2, spacing="time", batch=1),
    )
    first = model.sample(condition, generators(1, 3), sampling)
    assert torch.equal(first, model.sample(condition, generators(1, 3), sampling))
    assert not torch.equal(first, model.sample(condition, generators(1, 4), sampling))


def test_untrained_residual_returns_the_first_guess(unet: UNet, diffusion: Diffusion) -> None:
    model = ConditionalDiffusion(predicting(PLAIN, "residual"), unet, diffusion, seed=1)
    model.restore(model.state(), CPU)
    condition = torch.rand(2, 3, 9, 9)
    drawn = model.sample(
        condition, generators(2), Sampling(sampler="ddim", evaluations=5, spacing="time", batch=2)
    )
    torch.testing.assert_close(drawn, condition, atol=1e-5, rtol=0)


@pytest.mark.parametrize("base", ["maximum", "mean"])
def test_first_guess_is_coloured_like_the_last_image(base: str) -> None:
    image = torch.rand(1, 3, 4, 4) * 2 - 1
    torch.testing.assert_close(first_guess(image, "maximum"), image)
    grey = torch.full((1, 3, 4, 4), -0.2)
    functional = torch.tensor([0.1, -0.5, -0.4]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    guess = first_guess(torch.cat([grey - 0.3, grey, functional], dim=1), base)
    light = torch.cat([grey[:, :1] - 0.3, grey[:, :1], luminance(functional)], dim=1)
    expected = light.amax(1) if base == "maximum" else light.mean(1)
    torch.testing.assert_close(luminance(guess)[:, 0], expected)
    torch.testing.assert_close(guess[:, 0] - guess[:, 1], functional[:, 0] - functional[:, 1])


@pytest.mark.parametrize("seed", [2, None])
def test_state_round_trip(seed: int | None, unet: UNet, diffusion: Diffusion) -> None:
    model = placed(FULL, unet, diffusion)
    other = ConditionalDiffusion(FULL, unet, diffusion, seed)
    other.restore(model.state(), CPU)
    condition, sampling = (
        torch.rand(1, 9, 8, 8),
        Sampling(sampler="ddim", evaluations=2, spacing="time", batch=1),
    )
    drawn = [m.sample(condition, generators(1), sampling) for m in (model, other)]
    torch.testing.assert_close(*drawn)


def test_foreign_weights_are_refused(unet: UNet, diffusion: Diffusion) -> None:
    weights = ConditionalDiffusion(PLAIN, unet, diffusion, seed=1).state()
    with pytest.raises(InputError, match=r"weights do not fit .*SE_block"):
        ConditionalDiffusion(FULL, unet, diffusion, seed=1).restore(weights, CPU)


def test_one_generator_an_image_is_asked_for(unet: UNet, diffusion: Diffusion) -> None:
    model = ConditionalDiffusion(PLAIN, unet, diffusion, seed=1)
    sampling = Sampling(sampler="ddim", evaluations=2, spacing="time", batch=1)
    with pytest.raises(ValueError, match="2 generators for 3 images"):
        model.sample(torch.rand(3, 3, 8, 8), generators(2), sampling)


def test_more_evaluations_than_steps_are_refused(unet: UNet, diffusion: Diffusion) -> None:
    model = ConditionalDiffusion(PLAIN, unet, diffusion, seed=1)
    sampling = Sampling(sampler="ddim", evaluations=21, spacing="time", batch=1)
    with pytest.raises(
        InputError, match=r"sampling\.evaluations: 21 is more than the 20 noise levels"
    ):
        model.sample(torch.rand(1, 3, 8, 8), generators(1), sampling)
