import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from inputs import generators
from tfsdiff.diffusion import schedule
from tfsdiff.diffusion.samplers import SAMPLERS, ancestral, ddim, dpmpp, posterior

CPU = torch.device("cpu")
SHAPE = (3, 6, 5)


def smooth(x: Tensor, g: float) -> Tensor:
    """Stand for a network: depends on the image and the level, couples neighbouring pixels."""
    return torch.tanh(x.roll(1, -1) * g + 0.3 * x)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 5, 30])
def test_one_point_data_is_recovered(name: str, steps: int, rng: torch.Generator) -> None:
    point = torch.rand(SHAPE, generator=rng) * 2 - 1
    levels = schedule.linear(30, 1e-3, 0.3).subsequence(steps)
    x = SAMPLERS[name](lambda x, g: point.expand_as(x), SHAPE, levels, generators(2, 1), CPU)
    torch.testing.assert_close(x, point.expand(2, *SHAPE))


MU, S = 0.3, 0.1


def normal(x: Tensor, g: float) -> Tensor:
    """E[x_0 | x_g] for x_0 ~ N(MU, S^2): the best denoiser, in double precision."""
    x = x.double()
    return MU + g * S**2 / (g**2 * S**2 + 1 - g**2) * (x - g * MU)


def flowed(levels: Sequence[float]) -> Tensor:
    """Where the probability flow takes the noise of `generators(1, 5)` by the level 1, exactly.

    The flow keeps each point at its number of deviations from the mean.
    """
    g = levels[0]
    x = torch.randn(1, *SHAPE, generator=generators(1, 5)[0]).double()
    return MU + S * (x - g * MU) / math.sqrt(g**2 * S**2 + 1 - g**2)


@pytest.mark.parametrize("name", SAMPLERS)
def test_normal_data_is_recovered(name: str) -> None:
    levels = schedule.linear(1000, 1e-6, 0.02).subsequence(1000)
    x = SAMPLERS[name](normal, (1, 64, 64), levels, generators(1, 5), CPU)
    assert x.mean().item() == pytest.approx(MU, abs=0.01)
    assert x.std().item() == pytest.approx(S, rel=0.06)


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("dpmpp", 2)])
def test_order_of_convergence_to_the_probability_flow(name: str, order: int) -> None:
    """Levels evenly in lambda, up to where the last step to g = 1 has next to nothing to do."""

    def error(steps: int) -> float:
        lambdas = torch.linspace(-4, 9, steps + 1, dtype=torch.float64)
        levels = [*(2 * lambdas).sigmoid().sqrt().tolist(), 1.0]
        x = SAMPLERS[name](normal, SHAPE, levels, generators(1, 5), CPU)
        return (x - flowed(levels)).square().mean().sqrt().item()

    errors = [error(steps) for steps in (50, 100, 200)]
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.3)
    assert errors[-1] < 0.02 * S


def test_second_order_is_nearer_at_equal_cost() -> None:
    levels = schedule.linear(1000, 1e-6, 0.02).subsequence(20, "logsnr")
    first, second = (f(normal, SHAPE, levels, generators(1, 5), CPU) for f in (ddim, dpmpp))
    distance, nearer = ((x - flowed(levels)).abs().mean() for x in (first, second))
    assert nearer < 0.5 * distance


def test_first_and_last_step_of_dpmpp_are_those_of_ddim() -> None:
    for steps in (1, 2):
        levels = schedule.cosine(10).subsequence(steps)
        first, second = (f(smooth, SHAPE, levels, generators(1, 4), CPU) for f in (ddim, dpmpp))
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("name", SAMPLERS)
def test_batch_equals_single_images(name: str) -> None:
    levels = schedule.cosine(12).subsequence(6)
    together = SAMPLERS[name](smooth, SHAPE, levels, generators(3, 7), CPU)
    alone = [SAMPLERS[name](smooth, SHAPE, levels, generators(1, s), CPU) for s in (7, 8, 9)]
    assert torch.equal(together, torch.cat(alone))


def test_ancestral_on_all_steps_is_the_released_chain() -> None:
    """Written out by the closed forms that fill the released buffers (Ho et al. 2020)."""
    T = 25
    s = schedule.linear(T, 1e-4, 0.2)
    alpha_bar, previous = s.alpha_bar[1:], s.alpha_bar[:-1]
    beta = 1 - alpha_bar / previous
    variance = beta * (1 - previous) / (1 - alpha_bar)
    log_variance = variance.clamp(min=1e-20).log()
    coef1 = beta * previous.sqrt() / (1 - alpha_bar)
    coef2 = (1 - previous) * (1 - beta).sqrt() / (1 - alpha_bar)

    (g,) = generators(1, 3)
    x = torch.randn(SHAPE, generator=g)
    for t in reversed(range(T)):
        x_0 = smooth(x, alpha_bar[t].sqrt().item())
        x = (coef1[t] * x_0 + coef2[t] * x).float()
        if t > 0:
            noise = torch.randn(SHAPE, generator=g)
            x = x + noise * (0.5 * log_variance[t]).exp().float()

    ours = ancestral(smooth, SHAPE, s.subsequence(T), generators(1, 3), CPU)[0]
    torch.testing.assert_close(ours, x, atol=1e-5, rtol=1e-5)


def test_ddim_follows_its_noise() -> None:
    """The second point lies where the first one's noise, scaled to its level, puts it."""
    point, seen = torch.full(SHAPE, 0.25), []

    def denoise(x: Tensor, g: float) -> Tensor:
        seen.append((x.clone(), g))
        return point.expand_as(x)

    ddim(denoise, SHAPE, schedule.cosine(10).subsequence(2), generators(1, 4), CPU)
    (x_1, g_1), (x_2, g_2) = seen
    eps = (x_1 - g_1 * point) / math.sqrt(1 - g_1**2)
    torch.testing.assert_close(x_2, g_2 * point + math.sqrt(1 - g_2**2) * eps)


def test_posterior_agrees_with_bayes(rng: torch.Generator) -> None:
    """Chain x_0 -> x_s -> x_t by its transition, and regress x_s on (x_0, x_t)."""
    s = schedule.linear(10, 0.02, 0.3)
    g_s, g_t = s.alpha_bar[[3, 7]].sqrt().tolist()
    x_0, a, b = torch.randn(3, 200_000, generator=rng, dtype=torch.float64)
    x_s = g_s * x_0 + (1 - g_s**2) ** 0.5 * a
    alpha = (g_t / g_s) ** 2
    x_t = alpha**0.5 * x_s + (1 - alpha) ** 0.5 * b
    mean, deviation = posterior(x_0, x_t, g_t, g_s)
    rest = x_s - mean
    assert rest.std().item() == pytest.approx(deviation, rel=0.01)
    assert (rest * x_t).mean().item() == pytest.approx(0, abs=0.01)
    assert (rest * x_0).mean().item() == pytest.approx(0, abs=0.01)


def test_posterior_of_the_last_step_is_the_estimate(images: torch.Tensor) -> None:
    mean, deviation = posterior(images, torch.randn_like(images), 0.9, 1.0)
    torch.testing.assert_close(mean, images)
    assert deviation == 0


def test_posterior_refuses_the_wrong_direction(images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="rise"):
        posterior(images, images, 0.9, 0.5)
