import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tfsdiff.methods.bitonicx.anisotropic import AnisotropicMean, _falloff, anisotropic_mean
from tfsdiff.methods.bitonicx.gaussian import smooth, taps
from tfsdiff.methods.bitonicx.structure import Structure, structure


def picture(height, width, seed=0):
    return gaussian_filter(np.random.default_rng(seed).random((height, width)), 1.0)


def plain_mean(image, local, extent, limit, alpha, corners):
    """Equations of 7.2, one pixel after another."""
    height, width = image.shape
    reach = math.floor(extent)
    result = np.empty_like(image)
    for row, column in np.ndindex(image.shape):
        total, weights = image[row, column], 1.0
        for r in range(max(0, row - reach), min(height, row + reach + 1)):
            for c in range(max(0, column - reach), min(width, column + reach + 1)):
                if (r, c) == (row, column) or abs(image[r, c] - image[row, column]) >= limit:
                    continue
                weight = plain_weight(local, (row, column), (r, c), extent, alpha, corners)
                total, weights = total + weight * image[r, c], weights + weight
        result[row, column] = total / weights
    return result


def plain_weight(local, p, q, extent, alpha, corners):
    down, right = q[0] - p[0], q[1] - p[1]
    distance = math.hypot(down, right)
    weight = math.exp(-((2 * distance / extent) ** 2))
    if math.floor(extent) == 2:
        weight = 0.25 / distance + (1 - 0.25 / distance) * weight
    for pixel in (p, q):
        off = abs(
            down * math.cos(local.direction[pixel]) - right * math.sin(local.direction[pixel])
        )
        shrink = 1 + min(local.anisotropy[pixel] ** 2 / alpha**2, 1.2) * off
        if corners:
            shrink += distance * min(local.corner[pixel], 0.65) / 0.65
        weight /= shrink
    return weight


@pytest.mark.parametrize(
    ("extent", "limit", "corners"),
    [(3.6, np.inf, False), (3.6, 0.1, False), (4.8, 0.1, True), (2.6, np.inf, True)],
)
def test_agrees_with_the_equations_written_out(extent, limit, corners):
    image = picture(14, 11)
    local = structure(image, extent)
    ours = anisotropic_mean(image[None], local, extent, limit, 0.6, corners)[0]
    theirs = plain_mean(image, local, extent, limit, 0.6, corners)
    np.testing.assert_allclose(ours, theirs, atol=1e-14)


def fma(a, b, c):
    return float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


def in_order(p, shape, reach):
    """Offsets of the neighbours of `p` in the order in which a pixel adds them."""
    below = range(1, min(reach, shape[0] - 1 - p[0]) + 1)
    for down in range(-min(reach, p[0]), 0):
        yield from ((down, right) for right in range(reach, -reach - 1, -1))
    yield from ((0, sign * right) for right in range(1, reach + 1) for sign in (1, -1))
    yield from ((down, right) for down in below for right in range(-reach, reach + 1))


def exact_mean(image, local, extent, limit, alpha, corners):
    """The mean with the roundings that `_accumulate` promises."""
    distances, gains = _falloff(extent)
    reach = gains.shape[0] - 1
    pull = np.minimum((local.anisotropy / alpha) ** 2, 1.2)
    u, v = pull * np.cos(local.direction), pull * np.sin(local.direction)
    corner = np.minimum(local.corner, 0.65) / 0.65
    result = np.empty_like(image)
    for p in np.ndindex(image.shape):
        total, weights = image[p], 1.0
        for down, right in in_order(p, image.shape, reach):
            q = p[0] + down, p[1] + right
            if not 0 <= q[1] < image.shape[1] or not abs(image[p] - image[q]) < limit:
                continue
            place = abs(down), reach + (right if down > 0 else -right)
            place = place if down else (0, reach + abs(right))
            shrink = 1.0
            for pixel in (p, q):
                off = abs(fma(down, u[pixel], -(right * v[pixel])))
                shrink *= 1 + (fma(distances[place], corner[pixel], off) if corners else off)
            weight = gains[place] / shrink
            total, weights = fma(weight, image[q], total), weights + weight
        result[p] = total / weights
    return result


@pytest.mark.parametrize(
    ("shape", "extent", "limit", "corners"),
    [
        ((9, 19), 2.6, np.inf, True),
        ((9, 19), 3.6, np.inf, False),
        ((8, 17), 4.8, 0.1, True),
        ((3, 12), 5.0, 0.2, False),
        ((1, 7), 3.0, np.inf, True),
    ],
)
@pytest.mark.parametrize("dark", [False, True])
def test_every_rounding_is_as_promised(shape, extent, limit, corners, dark):
    image = picture(*shape)
    if dark:  # most pixels have no mean but 0, and their neighbours are left out
        image[:, 8:] = image[4:] = 0
    local = structure(image, extent)
    ours = anisotropic_mean(image[None], local, extent, limit, 0.6, corners)[0]
    np.testing.assert_array_equal(ours, exact_mean(image, local, extent, limit, 0.6, corners))


@pytest.mark.parametrize("limit", [np.inf, 0.1])
def test_dark_surroundings_do_not_matter(limit):
    image = np.zeros((60, 75))
    image[20:33, 30:41] = picture(13, 11)
    local = structure(picture(60, 75, seed=1), 6.0)
    ours = anisotropic_mean(image[None], local, 6.0, limit, 0.6, True)[0]
    faint = anisotropic_mean(image[None] + 1e-300, local, 6.0, limit, 0.6, True)[0]
    np.testing.assert_allclose(ours, faint, rtol=1e-12, atol=1e-290)
    assert (ours != 0).sum() >= 13 * 11
    assert not ours[:14].any()
    assert not ours[:, 47:].any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 1), (33, 3)])
@pytest.mark.parametrize("limit", [np.inf, 0.3])
def test_windows_larger_than_the_image(shape, limit):
    image = np.random.default_rng(0).random(shape)
    local = structure(image, 4.8)
    ours = anisotropic_mean(image[None], local, 4.8, limit, 0.6, True)[0]
    np.testing.assert_allclose(ours, plain_mean(image, local, 4.8, limit, 0.6, True), atol=1e-14)


def test_images_do_not_influence_each_other():
    images = np.stack([picture(20, 20, seed) for seed in range(2)])
    local = structure(images[0], 3.6)
    for limit in (np.inf, 0.1):
        both = anisotropic_mean(images, local, 3.6, limit, 0.6, False)
        alone = anisotropic_mean(images[1:], local, 3.6, limit, 0.6, False)
        np.testing.assert_array_equal(both[1], alone[0])


def test_a_mean_can_be_taken_again():
    images = np.stack([picture(20, 21, seed) for seed in range(3)])
    local = structure(images[0], 3.6)
    mean = AnisotropicMean(local, 3.6, 0.6, corners=True)
    for limit in (0.1, np.inf, 0.1):
        expected = anisotropic_mean(images, local, 3.6, limit, 0.6, corners=True)
        np.testing.assert_array_equal(mean(images, limit), expected)


def test_without_structure_it_is_a_gaussian_mean():
    image = picture(30, 30)
    flat = Structure(*np.zeros((3, 30, 30)))
    ours = anisotropic_mean(image[None], flat, 3.6, np.inf, 0.6, True)[0]
    inside = (slice(3, -3),) * 2  # borders truncate the one and are repeated for the other
    np.testing.assert_allclose(ours[inside], smooth(image, 3.6)[inside], atol=1e-14)


def test_taps():
    curve = np.exp(-((np.arange(-4, 5) / 2.4) ** 2))
    np.testing.assert_allclose(taps(4.8), curve / curve.sum())
    for extent in (1.0, 1.5, 2.0, 2.6, 3.0, 18.0):
        assert taps(extent).size == 2 * math.floor(extent) + 1
        assert taps(extent).sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="at least 1"):
        taps(0.5)


@pytest.mark.parametrize("angle", [0.3, 1.2, 2.0, 2.9])
def test_structure_of_stripes(angle):
    # Stripes run along (rows, columns) = (sin, cos) of the angle.
    rows, columns = np.mgrid[:40, :40]
    local = structure(np.sin(0.7 * (rows * np.cos(angle) - columns * np.sin(angle))), 6.0)
    middle = (slice(12, 28),) * 2
    turn = np.abs(local.direction[middle] - angle) % np.pi
    assert np.minimum(turn, np.pi - turn).max() < 0.05
    # Treece's Q has Txy once where the eigenvalues have it twice: slanting lines rate lower.
    assert local.anisotropy[middle].min() > 0.6


def test_structure_of_a_flat_image_is_none():
    local = structure(np.full((9, 12), 0.3), 3.6)
    assert not local.anisotropy.any()
    assert not local.corner.any()


def test_structure_finds_a_corner():
    image = np.zeros((40, 40))
    image[20:, 20:] = 1
    corner = structure(image, 3.6).corner
    assert corner[20, 20] > 0.5
    assert corner[20, 35] == corner[2, 2] == 0
