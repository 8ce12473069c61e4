import pytest
import torch

from tfsdiff.core.tensors import luminance
from tfsdiff.diffusion import schedule
from tfsdiff.diffusion.denoiser import Parametrisation, first_guess, q_sample

KINDS = ["eps", "v", "x0", "residual"]


@pytest.fixture
def images(rng: torch.Generator) -> torch.Tensor:
    return torch.rand(6, 3, 8, 9, generator=rng) * 2 - 1


@pytest.mark.parametrize("kind", KINDS)
def test_exact_prediction_returns_the_image(
    kind: str, images: torch.Tensor, rng: torch.Generator
) -> None:
    g = torch.linspace(0.05, 0.9999, 6, dtype=torch.float64)
    eps = torch.randn(images.shape, generator=rng)
    x_g = q_sample(images, eps, g)
    made, condition = Parametrisation(kind), images.roll(1, -1).repeat(1, 3, 1, 1)
    exact = made.target(images, eps, g, condition)
    estimate = made.x_0(exact, x_g, g, condition)
    torch.testing.assert_close(estimate, images, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_estimate_is_clamped(kind: str, images: torch.Tensor) -> None:
    g = torch.full((6,), 0.1, dtype=torch.float64)
    estimate = Parametrisation(kind).x_0(50 * images, images, g, images)
    assert estimate.abs().max() == 1


def test_last_step_is_pure_noise(images: torch.Tensor, rng: torch.Generator) -> None:
    g = schedule.linear(2000, 1e-6, 1e-2).alpha_bar[-1:].sqrt()
    x_0 = torch.ones(1, 3, 64, 64)
    x_T = q_sample(x_0, torch.randn(x_0.shape, generator=rng), g)
    assert x_T.mean().item() == pytest.approx(0, abs=0.03)
    assert x_T.var().item() == pytest.approx(1, abs=0.03)


def test_variance_is_kept_at_every_level(rng: torch.Generator) -> None:
    x_0, eps = torch.randn(2, 9, 1, 64, 64, generator=rng)
    x_g = q_sample(x_0, eps, torch.linspace(0, 1, 9, dtype=torch.float64))
    torch.testing.assert_close(x_g.var((1, 2, 3)), torch.ones(9), atol=0.08, rtol=0)


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
