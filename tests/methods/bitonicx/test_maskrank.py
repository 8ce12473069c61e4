import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tfsdiff.methods.bitonicx.maskrank import opening_closing
from tfsdiff.methods.bitonicx.masks import masks


def scene(height, width, seed=0, levels=None):
    """Image, guide and the two bands."""
    generator = np.random.default_rng(seed)
    image = gaussian_filter(generator.random((height, width)), 0.7)
    image = image if levels is None else np.round(image * levels) / levels
    bands = 0.05 + 0.2 * generator.random((2, height, width))
    return image, gaussian_filter(image, 1.5), bands[0], bands[1] / 4


def rank_number(count):
    number = math.floor(0.08 * (count - 1) + 0.5)
    return 1 if number == 0 and count > 3 else number


def plain_opening_closing(image, guide, reach, image_band, guide_band):
    """Definition of 7.2, one mask after another."""
    rows, columns = np.indices(image.shape)
    low, high = np.empty_like(image), np.empty_like(image)
    held = {pixel: ([], []) for pixel in np.ndindex(image.shape)}
    for p in np.ndindex(image.shape):
        near = (np.abs(rows - p[0]) <= reach) & (np.abs(columns - p[1]) <= reach)
        mask = near & (np.abs(guide - guide[p]) <= guide_band[p])
        mask &= np.abs(image - image[p]) <= image_band[p]
        values, n = np.sort(image[mask]), rank_number(mask.sum())
        low[p], high[p] = values[n], values[-1 - n]
        for q in zip(*np.nonzero(mask), strict=True):
            held[q][0].append(low[p])
            held[q][1].append(high[p])
    opened, closed = low.copy(), high.copy()
    for q, (erosions, dilations) in held.items():
        n = rank_number(len(erosions))
        opened[q] = max(low[q], sorted(erosions)[-1 - n])
        closed[q] = min(high[q], sorted(dilations)[n])
    return opened, closed


@pytest.mark.parametrize(
    ("shape", "reach", "levels"),
    [
        ((37, 21), 5, None),
        ((20, 34), 8, 12),
        ((16, 16), 1, None),
        ((5, 40), 15, 3),
        ((1, 7), 2, None),
        ((26, 50), 4, None),
        ((50, 26), 15, 5),
    ],
)
@pytest.mark.parametrize("equal", [False, True])  # bands of all pixels; then all values are in them
def test_agrees_with_the_definition(shape, reach, levels, equal):
    image, guide, *bands = scene(*shape, levels=levels)
    if equal:
        bands = [np.full(shape, 1.5), np.full(shape, 0.03)]
    ours = opening_closing(image, masks(image, guide, reach, *bands))
    theirs = plain_opening_closing(image, guide, reach, *bands)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(1, 1), (9, 8), (40, 3)])
def test_dark_surroundings_stay_dark(shape):
    image, guide, *bands = scene(60, 55)
    image[shape[0] :] = image[:, shape[1] :] = 0
    for result, plain in zip(
        opening_closing(image, masks(image, guide, 5, *bands)),
        plain_opening_closing(image, guide, 5, *bands),
        strict=True,
    ):
        np.testing.assert_array_equal(result, plain)


@pytest.mark.parametrize("width", [0.0, 0.02, None, 2.0])
def test_bands_hold_the_ranks_of_the_values_within_them(width):
    image, guide, *bands = scene(13, 17, levels=30)
    bands = bands if width is None else [np.full(image.shape, width)] * 2
    found = masks(image, guide, 4, *bands)
    for f, values, band in ((2, guide, bands[1]), (3, image, bands[0])):
        values, ranks = values.ravel(), found.point[f]
        assert sorted(ranks) == list(range(values.size))
        assert (np.diff(values[np.argsort(ranks)]) >= 0).all()
        for p in range(values.size):
            inside = ranks[np.abs(values - values[p]) <= band.flat[p]]
            assert (found.low[f, p], found.high[f, p]) == (inside.min(), inside.max())


@pytest.mark.slow
def test_images_too_large_for_short_integers():
    image, guide, *bands = scene(270, 250)
    wide = opening_closing(image, masks(image, guide, 4, *bands))
    crop = (slice(60, 160), slice(80, 170))
    parts = [np.ascontiguousarray(part[crop]) for part in (image, guide, *bands)]
    small = opening_closing(parts[0], masks(*parts[:2], 4, *parts[2:]))
    inside = (slice(8, -8),) * 2
    for large, little in zip(wide, small, strict=True):
        np.testing.assert_array_equal(large[crop][inside], little[inside])


def test_opening_and_closing_are_dual():
    image, guide, *bands = scene(40, 30, seed=3)
    opened, closed = opening_closing(image, masks(image, guide, 6, *bands))
    negative = opening_closing(-image, masks(-image, -guide, 6, *bands))
    np.testing.assert_array_equal(opened, -negative[1])
    np.testing.assert_array_equal(closed, -negative[0])


def test_without_bands_it_removes_a_lone_speck():
    image = np.zeros((30, 30))
    image[12, 14] = 1
    wide = np.full_like(image, 2.0)
    opened, closed = opening_closing(image, masks(image, image, 3, wide, wide))
    assert not opened.any()
    assert not closed.any()


def test_an_empty_band_leaves_the_image():
    image, guide, *_ = scene(18, 18, seed=5)
    none = np.zeros_like(image)
    for result in opening_closing(image, masks(image, guide, 4, none, none)):
        np.testing.assert_array_equal(result, image)
