"""Mean over a neighbourhood that is drawn out along lines and edges, and shrinks at corners.

Source: G. Treece, "Real image denoising with a locally-adaptive bitonic filter", IEEE Transactions
on Image Processing 2022, and its released code. Two pixels p and q, d apart, with an offset that
departs by the distances a_p and a_q from the lines through them, have the weight
exp(-(2 d / extent)^2) / ((1 + d c_p + u_p a_p) (1 + d c_q + u_q a_q)): u grows with the anisotropy,
c with the strength of a corner.
"""

import math

import numpy as np
from numba import njit
from scipy import ndimage

from tfsdiff.methods.bitonicx.structure import Structure
from tfsdiff.methods.bitonicx.vectors import LANES, fma, load, spread, store, where_less

CORNER_FULL = 0.65  # corner strength from which on the mean shrinks no further
ANISOTROPY_FULL = 1.2

_compile = njit(cache=True, nogil=True, error_model="numpy")
_inline = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)


def anisotropic_mean(
    images: np.ndarray,
    structure: Structure,
    extent: float,
    limit: float,
    alpha: float,
    corners: bool,
) -> np.ndarray:
    """Weighted means (N, H, W) of `images` (N, H, W), all by the weights of one `structure`.

    Args:
        images: what to average.
        structure: of (H, W), sets the weights.
        extent: reach of the neighbourhood in pixels; the borders of the image truncate it.
        limit: neighbours that differ from the centre by this or more are left out.
        alpha: anisotropy from which on lines are followed; less than 0.1 counts as 0.1.
        corners: whether the neighbourhood shrinks at corners.
    """
    return AnisotropicMean(structure, extent, alpha, corners)(images, limit)


class AnisotropicMean:
    """The mean above for several sets of images: what depends on the structure is kept."""

    def __init__(self, structure: Structure, extent: float, alpha: float, corners: bool) -> None:
        """See `anisotropic_mean`."""
        pull = np.minimum((structure.anisotropy / max(alpha, 0.1)) ** 2, ANISOTROPY_FULL)
        corner = np.minimum(structure.corner, CORNER_FULL) / CORNER_FULL
        along, across = pull * np.cos(structure.direction), pull * np.sin(structure.direction)
        self._corners, self._falloff = corners, _falloff(extent)
        self._width, self._reach = corner.shape[1], self._falloff.shape[1] - 1
        self._margin = self._reach, self._reach + -self._width % LANES
        inside = np.ones_like(corner)
        self._fields = self._pad(np.stack([along, across, corner, inside]))

    def __call__(self, images: np.ndarray, limit: float) -> np.ndarray:
        """Means (N, H, W) of `images` (N, H, W)."""
        count, columns = len(images), slice(self._reach, self._reach + self._width)
        limited = max(np.ptp(image) for image in images) >= limit
        work = limit, limited, self._corners
        means = np.empty(images.shape)
        for first in range(0, count, 2):  # an image alone is taken twice: two cost no more than one
            padded = self._pad(images[[first, min(first + 1, count - 1)]])
            spans = _spans(padded[..., columns], self._reach)
            total, weight = padded.copy(), np.ones_like(padded)
            sizes = *padded.shape[1:], self._width, self._reach
            _accumulate(padded, self._fields, self._falloff, spans, sizes, work, total, weight)
            divided = total[..., columns] / (weight if limited else weight[:1])[..., columns]
            means[first : first + 2] = divided[: count - first]
        return means

    def _pad(self, images: np.ndarray) -> np.ndarray:
        return np.pad(images, ((0, 0), (0, 0), self._margin))


def _spans(images: np.ndarray, reach: int) -> np.ndarray:
    """First column and the one behind the last of each row (H, 2) that have a mean other than 0.

    Outside, as far as masks reach, all `images` (N, H, W) are 0. An empty row has the span (0, 0).
    """
    height, width = images.shape[1:]
    spans = np.zeros((height, 2), np.int64)
    rows, columns = np.nonzero((images != 0).any(axis=0))
    if rows.size:
        first, last = np.full(height, width), np.full(height, -1)
        np.minimum.at(first, rows, columns)
        np.maximum.at(last, rows, columns)
        first = ndimage.minimum_filter1d(first, 2 * reach + 1, mode="nearest")
        last = ndimage.maximum_filter1d(last, 2 * reach + 1, mode="nearest")
        filled = last >= 0
        spans[filled, 0] = np.maximum(first - reach, 0)[filled]
        spans[filled, 1] = np.minimum(last + reach + 1, width)[filled]
    return spans


def _falloff(extent: float) -> np.ndarray:
    """Distances of offsets and their weights, (2, reach + 1, 2 reach + 1).

    Rows are offsets of 0 and more downwards, columns those from `reach` to the left to as many to
    the right. Short reaches have heavier tails, which the Gaussian would leave next to nothing.
    """
    reach = math.floor(extent)
    rows, columns = np.mgrid[0 : reach + 1, -reach : reach + 1]
    distance = np.hypot(rows, columns)
    distance[0, reach] = 1.0  # the centre itself: never used, and no division by zero
    weight = np.exp(-((2 * distance / extent) ** 2))
    tail = {1: 0.75, 2: 0.25}.get(reach, 0.0) / distance
    return np.stack([distance, tail + (1 - tail) * weight])


@_compile
def _accumulate(images, fields, falloff, spans, sizes, work, total, weight):
    """Add to `total` and `weight` of two images the neighbours of all pixels, and their weights.

    Weights are symmetric: each is computed once for both pixels of its pair. Its division occupies
    a unit of the processor for as long as some 16 additions of vectors take elsewhere. So while the
    weights between `row` and a row below are computed, those to the row before that are added.

    The order in which a pixel adds its neighbours decides the last bits. It is: rows above from the
    top, each from right to left; the row itself, near ones first, right before left; rows below
    from the top, each from left to right.
    """
    height, stride, _, reach = sizes
    pairs = np.zeros((2, (2 * reach + 1) * stride))
    flat = images.ravel(), fields.ravel(), falloff.ravel(), total.ravel(), weight.ravel()
    for row in range(height):
        _add_beside(row, flat, sizes, spans[row], pairs[0], work)
        last, none = min(reach, height - 1 - row), (0, 0)
        for down in range(1, last + 2):
            here, below, above = none, none, none
            if down <= last:
                here = spans[row, 0], spans[row, 1]
                below = spans[row + down, 0], spans[row + down, 1]
            if down > 1:
                above = spans[row + down - 1, 0], spans[row + down - 1, 1]
            now, before = pairs[down % 2], pairs[(down + 1) % 2]
            _add_rows(row, down, flat, sizes, (here, below, above), now, before, work)


@_compile
def _joint(span, other, reach, width):
    """Smallest span that holds `span`, and `other` with what lies within `reach` of it."""
    if other[0] == other[1]:
        return span[0], span[1]
    left, right = max(other[0] - reach, 0), min(other[1] + reach, width)
    if span[0] == span[1]:
        return left, right
    return min(span[0], left), max(span[1], right)


@_inline
def _blocks(span):
    """First columns of the vectors that cover a span."""
    return range(span[0] // LANES * LANES, span[1], LANES)


@_inline
def _needed(c, here, below, reach):
    """Offsets to the right, from 0 for -reach, at which the vector at column `c` is needed.

    Pixels that have a mean meet all of the row below, others only the pixels that have one.
    """
    side = 2 * reach + 1
    if here[0] < c + LANES and c < here[1]:
        return 0, side
    if below[0] == below[1]:
        return 0, 0
    return max(below[0] - c - LANES + 1 + reach, 0), min(below[1] - c + reach, side)


@_inline
def _shrink(along, across, corner, down, left, far, corners):
    """By how much pixels weigh less, 1 and up, for a neighbour so far down and to the left."""
    off = abs(fma(down, along, left * across))
    if corners:
        off = fma(far, corner, off)
    return spread(1.0) + off


@_inline
def _add(total, weight, pair, centre, neighbour, limit, limited):
    """Add neighbours to sums and weights; with a limit, only those that differ by less."""
    if limited:
        pair = where_less(abs(centre - neighbour), limit, pair)
    return fma(pair, neighbour, total), weight + pair


@_compile
def _add_rows(row, down, flat, sizes, spans, now, before, work):
    """Weigh the pairs of `row` and the row `down` below into `now`, and add the latter to `row`.

    In the same pass add `row` to the row `down - 1` below, by the weights in `before`. `spans` are
    those of `row`, of the row below, and of the one before that; empty ones are left out. Beyond
    them the weights are leftovers of other rows, which only meet pixels that are 0.
    """
    images, fields, falloff, total, weight = flat
    height, stride, width, reach = sizes
    here, below, above = spans
    limit, limited, corners = work
    plane, side, bound = height * stride, 2 * reach + 1, spread(limit)
    vertical, gains = spread(float(down)), side * (reach + 1 + down)
    span = _joint(_joint(here, below, reach, width), above, 0, width)
    for c in _blocks(span):
        start, stop = _needed(c, here, below, reach)
        upward = c < above[1] and c + LANES > above[0]
        p = row * stride + reach + c
        q = p + (down - 1) * stride
        along, across = load(fields, p), load(fields, plane + p)
        corner, inside = load(fields, 2 * plane + p), load(fields, 3 * plane + p)
        a, b = load(images, p), load(images, plane + p)
        a_sum, a_weight = load(total, p), load(weight, p)
        b_sum, b_weight = load(total, plane + p), load(weight, plane + p)
        e, f = load(images, q), load(images, plane + q)
        e_sum, e_weight = load(total, q), load(weight, q)
        f_sum, f_weight = load(total, plane + q), load(weight, plane + q)
        edge = c < reach or c + LANES + reach > width
        for k in range(side):
            if start <= k < stop:
                other = p + down * stride + k - reach
                left, far = spread(float(reach - k)), spread(falloff[side * down + k])
                shrink = _shrink(along, across, corner, vertical, left, far, corners)
                u, v = load(fields, other), load(fields, plane + other)
                w = load(fields, 2 * plane + other)
                shrink = shrink * _shrink(u, v, w, vertical, left, far, corners)
                pair = spread(falloff[gains + k]) / shrink
                if edge:
                    pair = pair * inside * load(fields, 3 * plane + other)
                store(now, k * stride + reach + c, pair)
                near = load(images, other)
                a_sum, a_weight = _add(a_sum, a_weight, pair, a, near, bound, limited)
                near = load(images, plane + other)
                b_sum, b_weight = _add(b_sum, b_weight, pair, b, near, bound, limited)
            if upward:
                other = p + reach - k
                pair = load(before, k * stride + 2 * reach + c - k)
                near = load(images, other)
                e_sum, e_weight = _add(e_sum, e_weight, pair, e, near, bound, limited)
                near = load(images, plane + other)
                f_sum, f_weight = _add(f_sum, f_weight, pair, f, near, bound, limited)
        if start < stop:
            store(total, p, a_sum)
            store(weight, p, a_weight)
            store(total, plane + p, b_sum)
            store(weight, plane + p, b_weight)
        if upward:
            store(total, q, e_sum)
            store(weight, q, e_weight)
            store(total, plane + q, f_sum)
            store(weight, plane + q, f_weight)


@_compile
def _add_beside(row, flat, sizes, span, pairs, work):
    """Add to the pixels of `row` their neighbours in it; `pairs` is a buffer for the weights."""
    images, fields, falloff, total, weight = flat
    height, stride, width, reach = sizes
    limit, limited, corners = work
    plane, side, bound = height * stride, 2 * reach + 1, spread(limit)
    level = spread(0.0)
    for c in _blocks(_joint(span, span, reach, width)):
        p = row * stride + reach + c
        along, across = load(fields, p), load(fields, plane + p)
        corner, inside = load(fields, 2 * plane + p), load(fields, 3 * plane + p)
        for right in range(1, reach + 1):
            q = p + right
            left, far = spread(float(-right)), spread(falloff[reach + right])
            shrink = _shrink(along, across, corner, level, left, far, corners)
            u, v, w = load(fields, q), load(fields, plane + q), load(fields, 2 * plane + q)
            shrink = shrink * _shrink(u, v, w, level, left, far, corners)
            pair = spread(falloff[side * (reach + 1) + reach + right]) / shrink
            pair = pair * inside * load(fields, 3 * plane + q)
            store(pairs, right * stride + reach + c, pair)
    for c in _blocks(span):
        for n in range(2):
            p = n * plane + row * stride + reach + c
            centre, sums, weights = load(images, p), load(total, p), load(weight, p)
            for right in range(1, reach + 1):
                pair = load(pairs, right * stride + reach + c)
                near = load(images, p + right)
                sums, weights = _add(sums, weights, pair, centre, near, bound, limited)
                pair = load(pairs, right * stride + reach + c - right)
                near = load(images, p - right)
                sums, weights = _add(sums, weights, pair, centre, near, bound, limited)
            store(total, p, sums)
            store(weight, p, weights)
