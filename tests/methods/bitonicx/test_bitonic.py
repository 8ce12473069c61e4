import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tfsdiff.methods.bitonicx.anisotropic import anisotropic_mean
from tfsdiff.methods.bitonicx.bitonic import automatic_half_length, automatic_threshold, bitonic
from tfsdiff.methods.bitonicx.maskrank import opening_closing
from tfsdiff.methods.bitonicx.masks import masks
from tfsdiff.methods.bitonicx.noise import noise_level
from tfsdiff.methods.bitonicx.structure import structure

CASES = [(3.0, 15), (0.15, 8), (0.4, 5), (0.05, None), (None, None)]


def picture(height=48, width=40, seed=0, noise=0.02):
    generator = np.random.default_rng(seed)
    smooth = gaussian_filter(generator.random((height, width)), 2.0)
    image = (smooth - smooth.min()) / np.ptp(smooth)
    return image + noise * generator.standard_normal(image.shape)


def plain_factor(image, threshold, f, p):
    if threshold <= np.ptp(image) / 20:
        return 1.0
    window = image[max(0, p[0] - f) : p[0] + f + 1, max(0, p[1] - f) : p[1] + f + 1]
    variation = np.ptp(window) / threshold
    extreme = min(image[p] - window.min(), window.max() - image[p]) / threshold
    factor = 1.6 - (variation - 0.9) * 0.9 / 0.67
    factor = 0.7 if variation > 1.57 else 1.6 if variation < 0.9 else factor
    return 1 - extreme * (1 - factor) / 0.7 if factor < 1 and extreme < 0.7 else factor


def plain_bitonic(image, t, f, corners):
    """Steps (i) to (vi) of 7.2, on parts that have tests of their own."""
    local = structure(image, 1.2 * f)
    guide = anisotropic_mean(image[None], local, 1.2 * f, 3 * t, 0.6, corners)[0]
    dm = math.sqrt(math.pi) * (f + 0.5) * 1.2 * 0.85
    dm2 = dm * math.erf((f + 0.5) * 1.2 / 24)
    bands = np.empty((2, *image.shape))
    for p in np.ndindex(image.shape):
        k = plain_factor(image, t, f, p)
        doubt = max(0, abs(guide[p] - image[p]) - t * (0.5 + 0.5 / dm))
        bands[:, *p] = k * t, k * t / dm2 + 2 * doubt
    opened, closed = opening_closing(image, masks(image, guide, f, *bands))
    above = anisotropic_mean((image - opened)[None], local, 1.2 * f, 1.4 * t, 0.6, corners)[0]
    below = anisotropic_mean((closed - image)[None], local, 1.2 * f, 1.4 * t, 0.6, corners)[0]
    opened, closed = opened + above, closed - below
    above, below = np.abs(above) ** 3, np.abs(below) ** 3
    total = np.where(above + below == 0, 1, above + below)
    blend = (above * closed + below * opened) / total
    return np.where(above + below == 0, (opened + closed) / 2, blend)


@pytest.mark.parametrize(("threshold", "half_length"), [(3.0, 15), (0.15, 8), (0.4, 5), (0.02, 3)])
@pytest.mark.parametrize("corners", [True, False])
def test_agrees_with_the_equations_written_out(threshold, half_length, corners):
    image = picture()
    ours = bitonic(image, threshold, half_length, corners)
    theirs = plain_bitonic(image, threshold, half_length, corners)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize(("half_length", "gain"), [(3, 1.2369), (8, 6.9488), (15, 20.3703)])
def test_spread_of_the_masks_has_the_published_values(half_length, gain):
    extent = (half_length + 0.5) * 1.2
    assert math.sqrt(math.pi) * extent * 0.85 * math.erf(extent / 24) == pytest.approx(
        gain, abs=1e-4
    )


@pytest.mark.parametrize(("threshold", "half_length"), CASES)
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_constants_stay(threshold, half_length, value):
    image = np.full((33, 40), value)
    np.testing.assert_array_equal(bitonic(image, threshold, half_length), image)


@pytest.mark.parametrize(("threshold", "half_length"), CASES)
def test_adding_a_constant_adds_it_to_the_result(threshold, half_length):
    image = picture()
    shifted = bitonic(image + 0.25, threshold, half_length)
    np.testing.assert_allclose(shifted, bitonic(image, threshold, half_length) + 0.25, atol=1e-9)


@pytest.mark.parametrize(("threshold", "half_length"), CASES)
def test_dark_and_bright_are_treated_alike(threshold, half_length):
    image = picture()
    mirrored = 1 - bitonic(1 - image, threshold, half_length)
    np.testing.assert_allclose(mirrored, bitonic(image, threshold, half_length), atol=1e-9)


@pytest.mark.parametrize(("threshold", "half_length"), CASES)
def test_half_a_turn_turns_the_result(threshold, half_length):
    # A transposition does not transpose it: the anisotropy is smoothed along columns (B8).
    image = picture()
    turned = bitonic(image[::-1, ::-1], threshold, half_length)[::-1, ::-1]
    np.testing.assert_allclose(turned, bitonic(image, threshold, half_length), atol=1e-9)


def test_scales_with_image_and_threshold():
    image = picture()
    scaled = bitonic(image / 4, 0.05, 6, corners=True)
    np.testing.assert_allclose(4 * scaled, bitonic(image, 0.2, 6, corners=True), atol=1e-9)


@pytest.mark.parametrize(("threshold", "half_length"), CASES)
def test_is_deterministic_and_leaves_its_input(threshold, half_length):
    image = picture()
    before = image.copy()
    first = bitonic(image, threshold, half_length)
    np.testing.assert_array_equal(bitonic(image, threshold, half_length), first)
    np.testing.assert_array_equal(image, before)


def test_removes_noise():
    clean = picture(80, 80, noise=0)
    noisy = clean + 0.08 * np.random.default_rng(9).standard_normal(clean.shape)
    before, after = (np.square(image - clean).mean() for image in (noisy, bitonic(noisy)))
    assert after < before / 2.5


@pytest.mark.parametrize("shape", [(1, 1), (29, 64), (64, 29), (2, 3)])
def test_images_smaller_than_two_half_lengths_are_copied(shape):
    image = np.random.default_rng(0).random(shape)
    result = bitonic(image, 3.0)
    np.testing.assert_array_equal(result, image)
    assert result is not image
    assert (bitonic(np.random.default_rng(0).random((30, 31)), 3.0) != 0).all()


@pytest.mark.parametrize(
    ("image", "keywords", "message"),
    [
        (np.zeros(9), {}, "H, W"),
        (np.zeros((0, 4)), {}, "H, W"),
        (np.zeros((9, 9, 3)), {}, "H, W"),
        (np.full((9, 9), np.nan), {}, "finite"),
        (np.zeros((9, 9)), {"threshold": 0.0}, "positive"),
        (np.zeros((9, 9)), {"threshold": np.nan}, "positive"),
        (np.zeros((9, 9)), {"threshold": 0.1, "half_length": 0}, "at least 1"),
    ],
)
def test_bad_input_raises(image, keywords, message):
    with pytest.raises(ValueError, match=message):
        bitonic(image, **keywords)


@pytest.mark.parametrize(
    ("threshold", "half_length"),
    [
        (0.001, 3),
        (0.02, 3),
        (0.05, 5),
        (0.1, 7),
        (0.15, 8),
        (0.2, 9),
        (0.4, 11),
        (3.0, 15),
        (9, 15),
    ],
)
def test_automatic_half_length_has_the_published_values(threshold, half_length):
    assert automatic_half_length(threshold) == half_length


@pytest.mark.parametrize(
    "sigma", [0.05, *(pytest.param(sigma, marks=pytest.mark.slow) for sigma in (0.01, 0.1))]
)
def test_noise_level_of_gaussian_noise(sigma):
    image = 0.5 + sigma * np.random.default_rng(2).standard_normal((128, 120))
    assert noise_level(image) == pytest.approx(sigma, rel=0.05)
    expected = 4 * noise_level(image)
    expected *= 1 - 0.75 * math.exp(-12 * expected)
    assert automatic_threshold(image) == pytest.approx(expected)


def test_noise_level_of_a_clean_or_tiny_image():
    assert noise_level(np.full((20, 20), 0.7)) == 0
    assert noise_level(np.array([[0.2]])) == 0
    assert np.isfinite(noise_level(np.array([[0.2, 0.9]])))
