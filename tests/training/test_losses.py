import numpy as np
import pytest
import skimage.metrics
import torch

from tfsdiff.diffusion.parametrisation import q_sample, to_x0
from tfsdiff.training.losses import noise_objective, psf_terms, released_structure


def test_noise_objective_is_the_mean_square(rng: torch.Generator) -> None:
    a, b = torch.randn(2, 2, 3, 4, 4, generator=rng)
    assert noise_objective(a, b, "l2").item() == pytest.approx(((a - b) ** 2).mean().item())


def test_released_objective_is_the_mean_magnitude(rng: torch.Generator) -> None:
    a, b = torch.randn(2, 2, 3, 4, 4, generator=rng)
    assert noise_objective(a, b, "l1").item() == pytest.approx((a - b).abs().mean().item())


def test_released_term_is_that_of_the_reference_page(rng: torch.Generator) -> None:
    """DSSIM with reflected borders, at 1 / (B C H W): zero for an image that predicts itself."""
    image = torch.rand(2, 3, 16, 16, generator=rng)
    assert released_structure(image, image).item() == pytest.approx(0, abs=1e-9)
    noise = torch.randn(2, 3, 16, 16, generator=rng)
    x, y = (torch.nn.functional.pad(one, [5] * 4, mode="reflect") for one in (image, noise))
    similarity = structural_similarity_map(x, y, data_range=1.0)
    expected = (1 - similarity).clip(0, 1).mean() / 2 / image.numel()
    assert released_structure(noise, image).item() == pytest.approx(expected, rel=1e-4)


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
    assert psf_terms(x + 0.2, x, g, "uniform")["mse"].item() == pytest.approx(0.01, rel=1e-5)


def test_psf_is_zero_for_equal_images_and_falls_as_they_agree(rng: torch.Generator) -> None:
    x, noise = torch.rand(2, 2, 3, 16, 16, generator=rng) * 2 - 1
    g = torch.ones(2, dtype=torch.float64)
    near, far = (
        psf_terms(x + 0.05 * noise, x, g, "signal"),
        psf_terms(x + 0.2 * noise, x, g, "signal"),
    )
    for name, value in psf_terms(x, x, g, "signal").items():
        assert value.item() == pytest.approx(0, abs=1e-6)
        assert 0 < near[name] < far[name]


def test_psf_mse_is_that_of_unit_range_images_weighted_by_signal_power() -> None:
    x = torch.zeros(2, 3, 16, 16)
    g = torch.tensor([0.5, 1.0], dtype=torch.float64)
    value = psf_terms(x + 0.2, x, g, "signal")["mse"].item()
    assert value == pytest.approx(0.1**2 * (0.25 + 1) / 2, rel=1e-5)


@pytest.mark.parametrize("level", [1e-4, 0.01, 0.3, 0.9])
def test_gradient_of_psf_is_bounded_at_any_level(level: float, rng: torch.Generator) -> None:
    """With predicted noise, where the estimate is (x_g - sqrt(1 - g^2) eps) / g."""
    x_0, eps = torch.randn(2, 2, 3, 16, 16, generator=rng) * 0.3
    g = torch.full((2,), level, dtype=torch.float64)
    x_g = q_sample(x_0, eps, g)
    wrong = (eps + 1e-5).requires_grad_()  # so near that nothing is clamped
    psf_terms(to_x0("eps", wrong, x_g, g, x_0), x_0, g, "signal")["mse"].backward()
    objective = (eps + 1e-5).requires_grad_()
    noise_objective(objective, eps, "l2").backward()
    assert wrong.grad.isfinite().all()
    assert wrong.grad.abs().sum() <= 1.2 * objective.grad.abs().sum()
