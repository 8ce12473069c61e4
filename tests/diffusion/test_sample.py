import math

import pytest
import torch
from torch import Tensor

from tfsdiff.diffusion import schedule
from tfsdiff.diffusion.sample import SAMPLERS, ancestral, ddim

CPU = torch.device("cpu")
SHAPE = (3, 6, 5)


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def smooth(x: Tensor, g: float) -> Tensor:
    """Stand for a network: depends on the image and the level, couples neighbouring pixels."""
    return torch.tanh(x.roll(1, -1) * g + 0.3 * x)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 5, 30])
def test_one_point_data_is_recovered(name: str, steps: int, rng: torch.Generator) -> None:
    point = torch.rand(SHAPE, generator=rng) * 2 - 1
    levels = schedule.linear(30, 1e-3, 0.3).subsequence(steps)
    x = SAMPLERS[name](lambda x, g: point.expand_as(x), SHAPE, levels, generators(1, 2), CPU)
    torch.testing.assert_close(x, point.expand(2, *SHAPE))


@pytest.mark.parametrize("name", SAMPLERS)
def test_normal_data_is_recovered(name: str) -> None:
    """For x_0 ~ N(mu, s^2) the best denoiser is known; its samples have that mean and deviation."""
    mu, s = 0.3, 0.1

    def denoise(x: Tensor, g: float) -> Tensor:
        return mu + g * s**2 / (g**2 * s**2 + 1 - g**2) * (x - g * mu)

    levels = schedule.linear(1000, 1e-6, 0.02).subsequence(1000)
    x = SAMPLERS[name](denoise, (1, 64, 64), levels, generators(5), CPU)
    assert x.mean().item() == pytest.approx(mu, abs=0.01)
    assert x.std().item() == pytest.approx(s, rel=0.06)


@pytest.mark.parametrize("name", SAMPLERS)
def test_batch_equals_single_images(name: str) -> None:
    levels = schedule.cosine(12).subsequence(6)
    together = SAMPLERS[name](smooth, SHAPE, levels, generators(7, 8, 9), CPU)
    alone = [SAMPLERS[name](smooth, SHAPE, levels, generators(s), CPU) for s in (7, 8, 9)]
    assert torch.equal(together, torch.cat(alone))


def test_ancestral_on_all_steps_is_the_released_chain() -> None:
    """Written out as the reference page describes the released buffers (4.3)."""
    T = 25
    s = schedule.linear(T, 1e-4, 0.2)
    alpha_bar, previous = s.alpha_bar[1:], s.alpha_bar[:-1]
    beta = 1 - alpha_bar / previous
    variance = beta * (1 - previous) / (1 - alpha_bar)
    log_variance = variance.clamp(min=1e-20).log()
    coef1 = beta * previous.sqrt() / (1 - alpha_bar)
    coef2 = (1 - previous) * (1 - beta).sqrt() / (1 - alpha_bar)

    (g,) = generators(3)
    x = torch.randn(SHAPE, generator=g)
    for t in reversed(range(T)):
        x_0 = smooth(x, alpha_bar[t].sqrt().item())
        x = (coef1[t] * x_0 + coef2[t] * x).float()
        if t > 0:
            noise = torch.randn(SHAPE, generator=g)
            x = x + noise * (0.5 * log_variance[t]).exp().float()

    ours = ancestral(smooth, SHAPE, s.subsequence(T), generators(3), CPU)[0]
    torch.testing.assert_close(ours, x, atol=1e-5, rtol=1e-5)


def test_ddim_follows_its_noise() -> None:
    """The second point lies where the first one's noise, scaled to its level, puts it."""
    point, seen = torch.full(SHAPE, 0.25), []

    def denoise(x: Tensor, g: float) -> Tensor:
        seen.append((x.clone(), g))
        return point.expand_as(x)

    ddim(denoise, SHAPE, schedule.cosine(10).subsequence(2), generators(4), CPU)
    (x_1, g_1), (x_2, g_2) = seen
    eps = (x_1 - g_1 * point) / math.sqrt(1 - g_1**2)
    torch.testing.assert_close(x_2, g_2 * point + math.sqrt(1 - g_2**2) * eps)
