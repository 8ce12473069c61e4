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

from tfsdiff.methods.bitonicx.structure import Structure

CORNER_FULL = 0.65  # corner strength from which on the mean shrinks no further
ANISOTROPY_FULL = 1.2
VECTOR = 32  # rows are padded to a multiple of it, for loops without a slow remainder

# Without a check for division by zero the loops over columns become vector instructions.
_compile = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})


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
    pull = np.minimum((structure.anisotropy / max(alpha, 0.1)) ** 2, ANISOTROPY_FULL)
    corner = np.minimum(structure.corner, CORNER_FULL) / CORNER_FULL
    along, across = pull * np.cos(structure.direction), pull * np.sin(structure.direction)
    limited = max(np.ptp(image) for image in images) >= limit
    falloff = _falloff(extent)
    width, reach = images.shape[2], falloff.shape[1] - 1
    margin = ((0, 0), (0, 0), (reach, reach + -width % VECTOR))
    total, padded = np.pad(images, margin), np.pad(images, margin)
    fields = np.pad([along, across, corner], margin)
    weight = np.ones_like(total if limited else total[:1])
    _accumulate(padded, fields, falloff, width, limit, limited, corners, total, weight)
    return (total / weight)[..., reach : reach + width]


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
def _accumulate(images, fields, falloff, width, limit, limited, corners, total, weight):
    """Add to `total` and `weight` the neighbours of all pixels, and their weights.

    Weights are symmetric, so each pair of pixels is visited once and its weight used for both.
    """
    height, reach = images.shape[1], falloff.shape[1] - 1
    pair = np.empty(images.shape[2] - 2 * reach)
    for row in range(height):
        for down in range(min(reach + 1, height - row)):
            low = row + down
            for right in range(1 if down == 0 else -reach, reach + 1):
                gain = falloff[1, down, reach + right]
                far = falloff[0, down, reach + right] if corners else 0.0
                _weigh(fields, row, low, reach, float(down), right, far, gain, pair)
                pair[: max(0, -right)] = 0
                pair[max(0, min(width, width - right)) :] = 0
                start = reach + right
                if limited:
                    _add_near(images, row, reach, low, start, pair, limit, total, weight)
                    _add_near(images, low, start, row, reach, pair, limit, total, weight)
                else:
                    _add_all(images, row, reach, low, start, pair, total, weight)
                    _add_all(images, low, start, row, reach, pair, total, weight)


@_compile
def _weigh(fields, row, low, reach, down, right, far, gain, pair):
    """Write to `pair` the weights between `row` and row `low`, shifted to the right by `right`."""
    n, step = pair.size, float(right)
    p, q = slice(reach, reach + n), slice(reach + right, reach + right + n)
    pu, pv, qu, qv = fields[0][row][p], fields[1][row][p], fields[0][low][q], fields[1][low][q]
    if far == 0:
        for c in range(n):
            one, other = abs(down * pu[c] - step * pv[c]), abs(down * qu[c] - step * qv[c])
            pair[c] = gain / ((1 + one) * (1 + other))
        return
    pc, qc = fields[2][row][p], fields[2][low][q]
    for c in range(n):
        one = abs(down * pu[c] - step * pv[c]) + far * pc[c]
        other = abs(down * qu[c] - step * qv[c]) + far * qc[c]
        pair[c] = gain / ((1 + one) * (1 + other))


@_compile
def _add_all(images, row, p, low, q, pair, total, weight):
    """Add to the pixels of `row`, from column `p` on, their neighbours in row `low` from `q` on."""
    size = pair.size
    weights = weight[0][row][p : p + size]
    for c in range(size):
        weights[c] += pair[c]
    for n in range(images.shape[0]):
        sums, neighbours = total[n][row][p : p + size], images[n][low][q : q + size]
        for c in range(size):
            sums[c] += pair[c] * neighbours[c]


@_compile
def _add_near(images, row, p, low, q, pair, limit, total, weight):
    """Do as `_add_all` for those neighbours only that differ by less than `limit`."""
    size = pair.size
    for n in range(images.shape[0]):
        sums, weights = total[n][row][p : p + size], weight[n][row][p : p + size]
        centres, neighbours = images[n][row][p : p + size], images[n][low][q : q + size]
        for c in range(size):
            w = pair[c] if abs(centres[c] - neighbours[c]) < limit else 0.0
            sums[c] += w * neighbours[c]
            weights[c] += w
