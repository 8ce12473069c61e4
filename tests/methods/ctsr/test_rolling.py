import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from tfsdiff.methods.ctsr.rolling import cross_bilateral, rolling_guidance


def picture(height, width, seed=0):
    return gaussian_filter(np.random.default_rng(seed).random((height, width)), 1.0)


def plain_cross_bilateral(image, guide, pixels, levels):
    """Equations of 6.2, one pixel and one cell after another."""
    low = guide.min()
    totals, counts = {}, {}
    places = {}
    for row, column in np.ndindex(image.shape):
        place = row / pixels, column / pixels, (guide[row, column] - low) / levels
        cell = tuple(int(np.floor(x + 0.5)) for x in place)
        places[row, column] = place
        totals[cell] = totals.get(cell, 0.0) + image[row, column]
        counts[cell] = counts.get(cell, 0) + 1

    def blurred(cell):
        total = count = 0.0
        for offset in np.ndindex(3, 3, 3):
            step = np.array(offset) - 1
            weight = np.exp(-(step**2).sum() / 2)
            neighbour = tuple(int(x) for x in cell + step)
            total += weight * totals.get(neighbour, 0.0)
            count += weight * counts.get(neighbour, 0)
        return total / count if count else 0.0

    result = np.empty_like(image)
    for pixel, place in places.items():
        base = np.floor(place).astype(int)
        part = place - base
        result[pixel] = 0
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, part, 1 - part))
            if weight:
                result[pixel] += weight * blurred(base + corner)
    return result


@pytest.mark.parametrize(("pixels", "levels"), [(3.0, 0.05), (2.0, 0.2), (2.5, 0.01)])
@pytest.mark.parametrize("shape", [(13, 10), (1, 1), (2, 9)])
def test_agrees_with_the_equations_written_out(shape, pixels, levels):
    image, guide = picture(*shape), picture(*shape, seed=1)
    ours = cross_bilateral(image, guide, pixels, levels)
    theirs = plain_cross_bilateral(image, guide, pixels, levels)
    np.testing.assert_allclose(ours, theirs, atol=1e-13)


def test_passes_are_guided_by_the_result_before():
    image = picture(20, 17)
    first = cross_bilateral(image, np.zeros_like(image), 3, 0.05)
    second = cross_bilateral(image, first, 3, 0.05)
    np.testing.assert_array_equal(rolling_guidance(image, 3, 0.05, 1), first)
    np.testing.assert_array_equal(rolling_guidance(image, 3, 0.05, 2), second)


@given(st.floats(-2, 2), st.integers(1, 40), st.integers(1, 40))
def test_a_constant_stays(value, height, width):
    image = np.full((height, width), value)
    np.testing.assert_allclose(rolling_guidance(image, 3, 0.05, 3), value, atol=1e-14)


@given(st.integers(0, 2**32 - 1))
def test_means_stay_between_the_extremes(seed):
    image = np.random.default_rng(seed).normal(size=(16, 19))
    smooth = rolling_guidance(image, 3, 0.05, 3)
    assert image.min() - 1e-12 <= smooth.min()
    assert smooth.max() <= image.max() + 1e-12


@given(st.floats(-1, 1))
def test_brightness_is_kept(shift):
    # The first cell of the guide is at its minimum, wherever that is.
    image = picture(18, 18)
    moved = rolling_guidance(image + shift, 3, 0.05, 1)
    np.testing.assert_allclose(moved, rolling_guidance(image, 3, 0.05, 1) + shift, atol=1e-12)


def test_texture_goes_and_large_edges_stay():
    image = np.zeros((48, 48))
    image[:, 24:] = 1
    noise = 0.05 * np.random.default_rng(0).normal(size=image.shape)
    smooth = rolling_guidance(image + noise, 3, 0.05, 3)
    inside = np.abs(np.arange(48) - 23.5) > 10
    assert np.abs(smooth - image)[:, inside].std() < 0.02
    blurred = cross_bilateral(image, np.zeros_like(image), 3, 0.05)
    assert np.abs(smooth - image).mean() < np.abs(blurred - image).mean() / 2
