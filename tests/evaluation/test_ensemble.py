import pytest
import torch

from tfsdiff.common.errors import InputError
from tfsdiff.evaluation.ensemble import GAIN, moments, picture


def test_moments_are_those_of_all_samples(rng: torch.Generator) -> None:
    images = 0.9 + 0.1 * torch.rand(7, 2, 3, 5, 4, generator=rng)
    found = moments(lambda sample: images[sample], 7)
    torch.testing.assert_close(found.mean, images.double().mean(0))
    torch.testing.assert_close(found.deviation, images.double().std(0))
    variance = images.double().var(0).mean(1)
    torch.testing.assert_close(found.pixel_deviation(), variance.sqrt())


def test_small_deviations_of_bright_images_survive(rng: torch.Generator) -> None:
    """Where the sum of squares less the square of the sum would leave nothing but rounding."""
    noise = 1e-7 * torch.randn(4, 1, 3, 8, 8, generator=rng, dtype=torch.float64)
    found = moments(lambda sample: 1 + noise[sample], 4)
    torch.testing.assert_close(found.deviation, noise.std(0), rtol=1e-6, atol=0)


def test_equal_samples_are_refused_at_once() -> None:
    drawn = []

    def draw(sample: int) -> torch.Tensor:
        drawn.append(sample)
        return torch.full((1, 3, 2, 2), 0.5)

    with pytest.raises(InputError, match="draws no random numbers"):
        moments(draw, 100)
    assert drawn == [0, 1]


def test_one_sample_has_no_deviation() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        moments(lambda sample: torch.zeros(1, 3, 2, 2), 1)


def test_picture_has_a_fixed_scale() -> None:
    shown = picture(torch.tensor([[0.0, 1 / 255, 10 / 255, 1.0]], dtype=torch.float64))
    assert shown.tolist() == [[0, GAIN, 10 * GAIN, 255]]
