import pytest
import torch

from tfsdiff.diffusion import parametrisation, schedule

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
    x_g = parametrisation.q_sample(images, eps, g)
    base = images.roll(1, -1)
    exact = parametrisation.target(kind, images, eps, g, base)
    estimate = parametrisation.to_x0(kind, exact, x_g, g, base)
    torch.testing.assert_close(estimate, images, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_estimate_is_clamped(kind: str, images: torch.Tensor) -> None:
    g = torch.full((6,), 0.1, dtype=torch.float64)
    estimate = parametrisation.to_x0(kind, 50 * images, images, g, images)
    assert estimate.abs().max() == 1


def test_last_step_is_pure_noise(images: torch.Tensor, rng: torch.Generator) -> None:
    g = schedule.linear(2000, 1e-6, 1e-2).alpha_bar[-1:].sqrt()
    x_0 = torch.ones(1, 3, 64, 64)
    x_T = parametrisation.q_sample(x_0, torch.randn(x_0.shape, generator=rng), g)
    assert x_T.mean().item() == pytest.approx(0, abs=0.03)
    assert x_T.var().item() == pytest.approx(1, abs=0.03)


def test_variance_is_kept_at_every_level(rng: torch.Generator) -> None:
    x_0, eps = torch.randn(2, 9, 1, 64, 64, generator=rng)
    x_g = parametrisation.q_sample(x_0, eps, torch.linspace(0, 1, 9, dtype=torch.float64))
    torch.testing.assert_close(x_g.var((1, 2, 3)), torch.ones(9), atol=0.08, rtol=0)


def test_posterior_agrees_with_bayes(rng: torch.Generator) -> None:
    """Chain x_0 -> x_s -> x_t by its transition, and regress x_s on (x_0, x_t)."""
    s = schedule.linear(10, 0.02, 0.3)
    g_s, g_t = s.alpha_bar[[3, 7]].sqrt().tolist()
    x_0, a, b = torch.randn(3, 200_000, generator=rng, dtype=torch.float64)
    x_s = g_s * x_0 + (1 - g_s**2) ** 0.5 * a
    alpha = (g_t / g_s) ** 2
    x_t = alpha**0.5 * x_s + (1 - alpha) ** 0.5 * b
    mean, deviation = parametrisation.posterior(x_0, x_t, g_t, g_s)
    rest = x_s - mean
    assert rest.std().item() == pytest.approx(deviation, rel=0.01)
    assert (rest * x_t).mean().item() == pytest.approx(0, abs=0.01)
    assert (rest * x_0).mean().item() == pytest.approx(0, abs=0.01)


def test_posterior_of_the_last_step_is_the_estimate(images: torch.Tensor) -> None:
    mean, deviation = parametrisation.posterior(images, torch.randn_like(images), 0.9, 1.0)
    torch.testing.assert_close(mean, images)
    assert deviation == 0


def test_posterior_refuses_the_wrong_direction(images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="rise"):
        parametrisation.posterior(images, images, 0.9, 0.5)
