import math

import numpy as np
import pytest
from scipy.ndimage import convolve, gaussian_filter
from skimage.filters import threshold_otsu

from tfsdiff.methods.bitonicx.gradient import morphological_gradient
from tfsdiff.methods.bitonicx.pulse import adaptive, cnp, otsu_level, papcnn


def layer(height=40, width=33, seed=0, scale=1.0):
    noise = np.random.default_rng(seed).standard_normal((height, width))
    return 0.5 * scale * gaussian_filter(noise, 1.0)


def plain_papcnn(detail, iterations):
    x = np.abs(detail)
    sd, top, otsu = x.std(ddof=1), x.max(), otsu_level(x)
    a_f = math.log10(1 / sd)
    beta, v_e = (top / otsu - 1) / 6, math.exp(-a_f) + top / otsu
    m = (1 - math.exp(-3 * a_f)) / (1 - math.exp(-a_f)) + (top / otsu - 1) * math.exp(-a_f)
    a_e = math.log(v_e / (otsu * m))
    weights = np.array([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]])
    stimulus = morphological_gradient(x)
    u, y, e, counts = np.zeros(x.shape), np.zeros(x.shape), np.ones(x.shape), np.zeros(x.shape)
    for _ in range(iterations):
        u = math.exp(-a_f) * u + stimulus * (1 + beta * convolve(y, weights, mode="constant"))
        y = (u > e).astype(float)
        e = math.exp(-a_e) * e + v_e * y
        counts += y
    return counts


def plain_cnp(stimulus, iterations):
    rows, columns = np.mgrid[-3:4, -3:4]
    weights = 1 / np.maximum(np.hypot(rows, columns), 1e-9)
    weights[3, 3] = 0
    f, link, p, counts = (np.zeros(stimulus.shape) for _ in range(4))
    threshold = np.full(stimulus.shape, 0.3)
    for _ in range(iterations):
        k = convolve(p, weights, mode="constant")
        f = np.where(p == 0, f, 0) + stimulus + k
        link = np.where(p == 0, link, 0) + k
        threshold[p == 1] = 1
        p = (f * (1 + link) >= threshold).astype(float)
        counts += p
    return counts


SHAPES = [(40, 33), (9, 64), (3, 31), (1, 40)]  # rows are worked on in blocks of 32 pixels


@pytest.mark.parametrize("shape", SHAPES)
def test_networks_agree_with_the_equations_at_any_width(shape):
    detail = layer(*shape)
    np.testing.assert_array_equal(papcnn(detail, 20), plain_papcnn(detail, 20))
    np.testing.assert_array_equal(cnp(abs(detail), 20), plain_cnp(abs(detail), 20))


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_papcnn_agrees_with_the_equations(scale):
    detail = layer(scale=scale)
    counts = papcnn(detail, 60)
    np.testing.assert_array_equal(counts, plain_papcnn(detail, 60))
    assert len(np.unique(counts)) > 5


@pytest.mark.parametrize("scale", [1.0, 0.02])
def test_cnp_agrees_with_the_equations(scale):
    stimulus = np.abs(layer(scale=scale))
    counts = cnp(stimulus, 60)
    np.testing.assert_array_equal(counts, plain_cnp(stimulus, 60))
    assert len(np.unique(counts)) > 2


def test_sign_of_the_detail_does_not_matter():
    np.testing.assert_array_equal(papcnn(layer(), 20), papcnn(-layer(), 20))


def test_parameters_are_those_of_the_equations():
    strength = np.abs(layer())
    ours = adaptive(strength)
    decay = -math.log10(strength.std(ddof=1))
    ratio = strength.max() / otsu_level(strength)
    assert ours.decay_feeding == pytest.approx(decay)
    assert ours.linking == pytest.approx((ratio - 1) / 6)
    assert ours.amplitude == pytest.approx(math.exp(-decay) + ratio)


@pytest.mark.parametrize("value", [0.0, 1e-300, 0.2, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (9, 8)])
def test_flat_layers_are_handled(value, shape):
    flat = np.full(shape, value)
    assert not papcnn(flat, 10).any()
    assert cnp(flat, 10).shape == shape


@pytest.mark.parametrize("scale", [1e-160, 1e-9, 1e-4])
def test_nearly_flat_layers_have_finite_parameters(scale):
    strength = scale * np.abs(layer())
    assert otsu_level(strength) == 0
    values = vars(adaptive(strength)).values()
    assert all(np.isfinite(value) for value in values)
    assert papcnn(strength, 10).min() >= 0


@pytest.mark.parametrize("network", [papcnn, cnp])
@pytest.mark.parametrize(
    ("image", "iterations"),
    [(np.zeros(4), 3), (np.zeros((0, 3)), 3), (np.full((3, 3), np.inf), 3), (np.zeros((3, 3)), 0)],
)
def test_bad_input_raises(network, image, iterations):
    with pytest.raises(ValueError, match=r"layer|iteration"):
        network(image, iterations)


@pytest.mark.parametrize("seed", range(5))
def test_otsu_agrees_with_scikit_image(seed):
    generator = np.random.default_rng(seed)
    means = generator.choice([60, 170], (150, 150))  # no empty level between
    pixels = np.clip(generator.normal(means, 25), 0, 255).round().astype(np.uint8)
    assert otsu_level(pixels / 255) == pytest.approx(threshold_otsu(pixels) / 255, abs=1e-12)


def test_otsu_of_two_values_lies_in_the_middle_of_the_gap():
    # Every level from 51 to 101 splits them alike; their mean is taken.
    image = np.repeat([51, 102], 10).reshape(4, 5) / 255
    assert otsu_level(image) == pytest.approx(76 / 255)
    assert otsu_level(np.full((3, 3), 0.4)) == 0
