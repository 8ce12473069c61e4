"""Filters fitted by least squares: what they find, and what they leave alone."""

import pytest
import torch

from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import CPU
from tfsdiff.data.least_squares import CLASSES, TAPS, Filters, _classes, _neighbourhoods
from tfsdiff.data.resample import enlarge, reduce
from tfsdiff.methods import build


def discs(count: int, pixels: int = 64) -> torch.Tensor:
    """Sharp discs of random places and sizes: (count, pixels, pixels) in [0, 1]."""
    rng = torch.Generator().manual_seed(3)
    rows, columns = torch.meshgrid(*[torch.arange(pixels).float()] * 2, indexing="ij")
    images = torch.zeros(count, pixels, pixels)
    for image in images:
        for _ in range(4):
            y, x, r = (torch.rand(3, generator=rng) * torch.tensor([pixels, pixels, 15.0])).tolist()
            image[(rows - y) ** 2 + (columns - x) ** 2 < (r + 3) ** 2] = 0.2 + 0.6 * torch.rand(
                (), generator=rng
            )
    return images


@pytest.mark.parametrize("scale", [2, 4])
def test_they_restore_edges_that_they_have_not_seen(scale: int) -> None:
    seen, unseen = discs(16).split([12, 4])
    filters = Filters.fit([(reduce(x, scale), x) for x in seen.split(3)], scale)
    low = reduce(unseen, scale)
    error, bicubic = (
        (images - unseen).square().mean() for images in (filters.enlarge(low), enlarge(low, scale))
    )
    assert error < 0.96 * bicubic


def test_their_fit_is_the_ridge_solution_of_each_class() -> None:
    """Against a plain solution in one class, and against how images are split for the sums."""
    images, scale = discs(3, 32), 2
    low = reduce(images, scale)
    filters = Filters.fit([(low, images)], scale)
    parts = Filters.fit(zip(low.split(1), images.split(1), strict=True), scale)
    torch.testing.assert_close(filters.weights, parts.weights, atol=1e-5, rtol=1e-4)
    around = _neighbourhoods(low).reshape(-1, TAPS)
    missed = torch.nn.functional.pixel_unshuffle((images - enlarge(low, scale))[:, None], scale)
    missed = missed.permute(0, 2, 3, 1).reshape(-1, scale**2)
    varied = around.abs().amax(1) > 0.01
    x, y, kind = around[varied].double(), missed[varied].double(), _classes(low).reshape(-1)[varied]
    one = torch.eye(TAPS, dtype=torch.float64)
    common = torch.linalg.lstsq(
        torch.cat([x, 1e-3**0.5 * one]), torch.cat([y, one.new_zeros(TAPS, scale**2)])
    ).solution
    most = kind.mode().values.item()
    x, y = x[kind == most], y[kind == most]
    own = torch.linalg.lstsq(
        torch.cat([x, 3.0**0.5 * one]),
        torch.cat([y - x @ common, one.new_zeros(TAPS, scale**2)]),
    ).solution
    torch.testing.assert_close(filters.weights[most], (common + own).float(), atol=1e-4, rtol=1e-3)


def test_plain_images_stay_plain_and_all_stay_in_range() -> None:
    filters = Filters(2, torch.randn(CLASSES, TAPS, 4))
    plain = torch.full((2, 3, 9, 7), 0.3)
    torch.testing.assert_close(filters.enlarge(plain), torch.full((2, 3, 18, 14), 0.3))
    wild = filters.enlarge(torch.rand(1, 3, 9, 7))
    assert wild.min() >= 0
    assert wild.max() <= 1


def test_classes_tell_directions_strengths_and_coherences_apart() -> None:
    ramp = torch.arange(16.0).expand(16, 16) / 40
    images = torch.stack([ramp, ramp.T, 0.05 * ramp, torch.rand(16, 16)])
    middle = _classes(images)[:, 8, 8]
    assert len(set(middle.tolist())) == 4
    assert middle.max() < CLASSES


def test_state_is_the_filters_of_one_scale() -> None:
    method = build("least_squares", {}, 2)
    with pytest.raises(ValueError, match="needs filters"):
        method.enlarge(torch.rand(1, 3, 4, 4), [])
    method.filters = Filters(2, torch.randn(CLASSES, TAPS, 4))
    tensors, values = method.state()
    other = build("least_squares", {}, 2)
    other.restore(tensors, values, CPU)
    images = torch.rand(2, 3, 6, 6)
    assert torch.equal(method.enlarge(images, []), other.enlarge(images, []))
    with pytest.raises(InputError, match="no filters of scale 4"):
        build("least_squares", {}, 4).restore(tensors, values, CPU)
