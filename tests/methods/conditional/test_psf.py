import numpy as np
import pytest
import skimage.metrics
import torch

from tfsdiff.diffusion.denoiser import Estimate, Parametrisation, q_sample
from tfsdiff.methods.conditional.psf import PSF, Levels, ReleasedPSF


def terms(
    estimate: torch.Tensor, image: torch.Tensor, g: torch.Tensor, levels: Levels
) -> dict[str, torch.Tensor]:
    """Values of the terms, which are independent of their weights."""
    found = PSF(0.5, 2.0, levels)(Estimate(estimate, estimate), image, g)
    assert [weight for weight, _ in found.values()] == [0.5, 2.0]
    return {name: value for name, (_, value) in found.items()}


def released(output: torch.Tensor, image: torch.Tensor) -> float:
    g = torch.ones(len(image), dtype=torch.float64)
    ((weight, value),) = ReleasedPSF(3.0)(Estimate(output, image), image, g).values()
    assert weight == 3.0
    return value.item()


def test_released_term_is_that_of_the_reference_page(rng: torch.Generator) -> None:
    """DSSIM with reflected borders, at 1 / (B C H W): zero for an image that predicts itself."""
    image = torch.rand(2, 3, 16, 16, generator=rng)
    assert released(image, image) == pytest.approx(0, abs=1e-9)
    noise = torch.randn(2, 3, 16, 16, generator=rng)
    x, y = (torch.nn.functional.pad(one, [5] * 4, mode="reflect") for one in (image, noise))
    similarity = structural_similarity_map(x, y, data_range=1.0)
    expected = (1 - similarity).clip(0, 1).mean() / 2 / image.numel()
    assert released(noise, image) == pytest.approx(expected, rel=1e-4)


def structural_similarity_map(x: torch.Tensor, y: torch.Tensor, data_range: float) -> np.ndarray:
    maps = [
        skimage.metrics.structural_similarity(
            a.numpy(), b.numpy(), gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            data_range=data_range, full=True,
        )[1][5:-5, 5:-5]
        for a, b in zip(x.flatten(0, 1).double(), y.flatten(0, 1).double(), strict=True)
    ]  # fmt: skip
    return np.stack(maps)


def test_uniform_levels_weigh_alike() -> None:
    x = torch.zeros(2, 3, 16, 16)
    g = torch.tensor([0.5, 1.0], dtype=torch.float64)
    assert terms(x + 0.2, x, g, "uniform")["psf_mse"].item() == pytest.approx(0.01, rel=1e-5)


def test_psf_is_zero_for_equal_images_and_falls_as_they_agree(rng: torch.Generator) -> None:
    x, noise = torch.rand(2, 2, 3, 16, 16, generator=rng) * 2 - 1
    g = torch.ones(2, dtype=torch.float64)
    near, far = (
        terms(x + 0.05 * noise, x, g, "signal"),
        terms(x + 0.2 * noise, x, g, "signal"),
    )
    for name, value in terms(x, x, g, "signal").items():
        assert value.item() == pytest.approx(0, abs=1e-6)
        assert 0 < near[name] < far[name]


def test_psf_mse_is_that_of_unit_range_images_weighted_by_signal_power() -> None:
    x = torch.zeros(2, 3, 16, 16)
    g = torch.tensor([0.5, 1.0], dtype=torch.float64)
    value = terms(x + 0.2, x, g, "signal")["psf_mse"].item()
    assert value == pytest.approx(0.1**2 * (0.25 + 1) / 2, rel=1e-5)


@pytest.mark.parametrize("level", [1e-4, 0.01, 0.3, 0.9])
def test_gradient_of_psf_is_bounded_at_any_level(level: float, rng: torch.Generator) -> None:
    """With predicted noise, where the estimate is (x_g - sqrt(1 - g^2) eps) / g."""
    x_0, eps = torch.randn(2, 2, 3, 16, 16, generator=rng) * 0.3
    g = torch.full((2,), level, dtype=torch.float64)
    x_g = q_sample(x_0, eps, g)
    wrong = (eps + 1e-5).requires_grad_()  # so near that nothing is clamped
    terms(Parametrisation("eps").x_0(wrong, x_g, g), x_0, g, "signal")["psf_mse"].backward()
    objective = (eps + 1e-5).requires_grad_()
    torch.nn.functional.mse_loss(objective, eps).backward()
    assert wrong.grad.isfinite().all()
    assert wrong.grad.abs().sum() <= 1.2 * objective.grad.abs().sum()
