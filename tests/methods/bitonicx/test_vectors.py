from fractions import Fraction

import numpy as np
import pytest
from numba import njit

from tfsdiff.methods.bitonicx.vectors import LANES, fma, load, spread, store, where_less


@njit
def compute(a, b, c, results):
    """Every operation on the vectors from place 1 on, to the rows of `results` from column 2 on."""
    x, y, z = load(a, 1), load(b, 1), load(c, 1)
    width = a.size
    store(results, 2, x + y)
    store(results, width + 2, x - y)
    store(results, 2 * width + 2, x * y)
    store(results, 3 * width + 2, x / y)
    store(results, 4 * width + 2, abs(x))
    store(results, 5 * width + 2, fma(x, y, z))
    store(results, 6 * width + 2, where_less(x, y, z))
    store(results, 7 * width + 2, spread(a[3]))


def fused(a, b, c):
    return float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


@pytest.mark.parametrize("seed", range(3))
def test_each_lane_is_rounded_as_a_scalar(seed):
    a, b, c = np.random.default_rng(seed).standard_normal((3, LANES + 4))
    c[:6] = -a[:6] * b[:6]  # what is left of it shows whether a product is rounded
    results = np.zeros((8, LANES + 4))
    compute(a, b, c, results.ravel())
    x, y, z = (values[1 : LANES + 1] for values in (a, b, c))
    products = [fused(*terms) for terms in zip(x, y, z, strict=True)]
    chosen = np.where(x < y, z, 0)
    expected = [x + y, x - y, x * y, x / y, abs(x), products, chosen, np.full(LANES, a[3])]
    np.testing.assert_array_equal(results[:, 2 : LANES + 2], expected)
    assert not results[:, :2].any()
    assert not results[:, LANES + 2 :].any()


def test_nothing_is_less_than_what_is_no_number():
    a, b = np.full(LANES + 4, np.nan), np.zeros(LANES + 4)
    results = np.ones((8, LANES + 4))
    compute(a, b, b + 2, results.ravel())
    assert not results[6, 2 : LANES + 2].any()
