"""Preconditioning by a Gaussian residual, and the noise levels that go with it."""

import math

import pytest
import torch

from inputs import generators
from tfsdiff.diffusion import schedule
from tfsdiff.diffusion.denoiser import (
    LEVEL,
    Parametrisation,
    ResidualSize,
    contrast,
    first_guess,
    q_sample,
)
from tfsdiff.diffusion.samplers import SAMPLERS

SIZE = 0.1


def plain(residual: ResidualSize) -> Parametrisation:
    return Parametrisation("preconditioned", "last", residual)


def levels(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_posterior_is_that_of_a_gaussian_residual() -> None:
    """Against the regression of many residuals on their noisy images."""
    rng = torch.Generator().manual_seed(4)
    r = SIZE * torch.randn(1, 3, 400, 400, generator=rng)
    base = torch.full_like(r, 0.4)
    for g in (0.3, 0.98, 0.999):
        x_g = q_sample(base + r, torch.randn(r.shape, generator=rng), levels(g))
        mean, deviation = plain(ResidualSize(SIZE)).posterior(x_g, levels(g), base)
        slope = ((x_g - g * base) * r).sum() / (x_g - g * base).square().sum()
        torch.testing.assert_close(mean, base + slope * (x_g - g * base), atol=2e-3, rtol=0)
        left = (base + r - mean).square().mean().sqrt()
        assert deviation.item() == pytest.approx(left.item(), rel=0.01)


@pytest.mark.parametrize("size", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("g", [0.0064, 0.5, 0.99, 0.9999])
def test_target_has_unit_variance_at_every_level_and_size(size: float, g: float) -> None:
    rng = torch.Generator().manual_seed(5)
    base = torch.zeros(1, 3, 200, 200)
    x_0, eps = (torch.randn(base.shape, generator=rng) for _ in range(2))
    made = plain(ResidualSize(size))
    target = made.target(size * x_0, eps, levels(g), base)
    assert target.std().item() == pytest.approx(1, abs=0.02)
    restored = made.x_0(target, q_sample(size * x_0, eps, levels(g)), levels(g), base)
    torch.testing.assert_close(restored, (size * x_0).clamp(-1, 1), atol=1e-4, rtol=0)


def test_in_pure_noise_the_guess_is_shown_and_in_none_the_image() -> None:
    base, x = torch.rand(2, 1, 3, 8, 8) * 0.2
    made = plain(ResidualSize(SIZE))
    torch.testing.assert_close(made.shown(x, levels(1e-6), base), base, atol=1e-5, rtol=0)
    torch.testing.assert_close(made.shown(x, levels(1 - 1e-9), base), x, atol=1e-5, rtol=0)


def test_size_of_the_residual_is_measured_by_contrast() -> None:
    """Two halves of a condition, a plain one and one of edges, with residuals of their own."""
    rng = torch.Generator().manual_seed(6)
    base = torch.full((3, 64, 64), -1.0)
    base[:, :, 32:] += 2 * (torch.arange(32) % 2)  # the greatest contrast there is
    residual = torch.cat([torch.full((64, 32), 0.01), torch.full((64, 32), 0.2)], 1)
    image = base + residual * torch.randn(3, 64, 64, generator=rng)
    found = ResidualSize.measure([(base, image)], "last", window=3)
    deviation = found.deviation(base[None])[0, 0]
    assert deviation[:, :30].mean().item() == pytest.approx(0.01, rel=0.05)
    assert deviation[:, 33:].mean().item() == pytest.approx(0.2, rel=0.05)
    assert found.overall == pytest.approx(math.sqrt((0.01**2 + 0.2**2) / 2), rel=0.05)
    weight = plain(found).weight(base[None])
    assert weight.mean().item() == pytest.approx(1, rel=0.05)


def test_a_guess_without_error_leaves_a_quarter_of_a_level() -> None:
    base = torch.zeros(3, 16, 16)
    found = ResidualSize.measure([(base, base)], "last", 3)
    assert found.overall == pytest.approx(LEVEL / 4, rel=1e-3)
    assert min(found.deviations) == pytest.approx(LEVEL / 4, rel=1e-3)


def test_contrast_is_a_logarithm_of_levels_in_any_image() -> None:
    condition = torch.zeros(1, 6, 9, 9)
    condition[:, 3:, 4, 4] = LEVEL  # one level, in the second image
    place = contrast(condition, 5)[0, 0]
    assert place[4, 4].item() == pytest.approx(1)
    assert place[2, 6].item() == pytest.approx(1)
    assert place[1, 4] == 0
    whole = torch.stack([torch.full((3, 2), -1.0), torch.full((3, 2), 1.0)], 1)[None]
    assert contrast(whole, 3).max().item() == pytest.approx(8)


def test_last_image_of_the_condition_can_be_the_guess() -> None:
    condition = torch.rand(2, 12, 4, 4)
    assert torch.equal(first_guess(condition, "last"), condition[:, 9:])


@pytest.mark.parametrize("evaluations", [1, 2, 4, 16])
def test_spacing_by_the_residual_evaluates_where_it_is_undecided(evaluations: int) -> None:
    made = schedule.linear(1000, 1e-4, 2e-2)
    found = made.subsequence(evaluations, "residual", SIZE)
    assert len(found) == evaluations + 1
    assert found[0] == pytest.approx(made.alpha_bar[-1].sqrt().item())
    assert found[-1] == 1
    assert list(found) == sorted(set(found))
    for g in found[1:-1]:
        ratio = schedule.half_log_snr(g) + math.log(SIZE)  # of residual to noise
        assert -2 <= ratio <= 3


def test_levels_are_drawn_where_that_spacing_evaluates() -> None:
    made = schedule.linear(1000, 1e-4, 2e-2)
    g = made.draw_levels(8000, torch.Generator().manual_seed(1), "residual", SIZE)
    noisiest = g == made.alpha_bar[-1].sqrt()
    assert 0.77 < noisiest.double().mean() < 0.83
    ratios = [schedule.half_log_snr(x) + math.log(SIZE) for x in g[~noisiest].tolist()]
    assert -2 <= min(ratios) < -1.9
    assert 2.9 < max(ratios) <= 3
    assert sum(ratios) / len(ratios) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
def test_temperature_scales_the_spread_of_what_is_drawn(name: str, temperature: float) -> None:
    """Of a Gaussian posterior, whose exact estimate is the mean that preconditioning shows."""
    made = plain(ResidualSize(SIZE))
    base = torch.zeros(1, 3, 64, 64)

    def denoise(x: torch.Tensor, g: float) -> torch.Tensor:
        return made.posterior(x, levels(g), base)[0]

    path = schedule.linear(1000, 1e-4, 2e-2).subsequence(60, "residual", SIZE)
    cpu = torch.device("cpu")
    drawn = SAMPLERS[name](denoise, (3, 64, 64), path, generators(1, 3), cpu, temperature)
    assert drawn.std().item() == pytest.approx(temperature * SIZE, rel=0.06, abs=1e-6)
