"""The differentiable form of SSIM, against the metric."""

import pytest
import torch

from tfsdiff.metrics.ssim import ssim, structural_similarity


def test_similarity_is_that_of_the_metric(rng: torch.Generator) -> None:
    x, y = torch.rand(2, 4, 3, 20, 24, generator=rng)
    y = 0.7 * x + 0.3 * y
    expected = ssim(255 * x.double(), 255 * y.double()).float()
    torch.testing.assert_close(structural_similarity(x, y), expected, atol=1e-5, rtol=0)


def test_similarity_refuses_images_smaller_than_its_window() -> None:
    with pytest.raises(ValueError, match="11 x 11"):
        structural_similarity(torch.zeros(1, 3, 10, 16), torch.zeros(1, 3, 10, 16))
