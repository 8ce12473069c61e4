"""Sparse codes of image patches, and fusion by the stronger code.

A code describes a patch x as a weighted sum of few atoms d_i, the columns of a dictionary D.
Orthogonal matching pursuit finds it greedily: it chooses the atom that correlates most with what
the sum so far leaves of x, projects x anew onto all atoms chosen, and repeats.

This is the batch form of R. Rubinstein et al., "Efficient implementation of the K-SVD algorithm
using batch orthogonal matching pursuit", 2008. It never forms a residual: with G = D^T D computed
once for all patches, a step updates only the correlations D^T x. Projecting takes the inverse of G
restricted to the chosen atoms; its Cholesky factor L grows by a row a step, which amounts to making
each new atom orthogonal to those before.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from tfsdiff.common.errors import InputError

SIDE = 8
LENGTH = SIDE**2  # of a patch as a vector
CHUNK = 1024  # patches whose correlations are in memory at once
TINY = 1e-14  # squares below are rounding errors

_compile = njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class Codes:
    """Weighted sums of few atoms, one for each of N patches.

    Attributes:
        atoms: (N, K), indices of atoms in the order of choice; those from `counts` on are unused.
        weights: (N, K), 0 from `counts` on.
        counts: (N,), number of atoms, at most K.
    """

    atoms: np.ndarray
    weights: np.ndarray
    counts: np.ndarray

    def decode(self, dictionary: np.ndarray) -> np.ndarray:
        """Patches (N, 64) that these codes describe."""
        return _decode(np.ascontiguousarray(dictionary.T), self.atoms, self.weights, self.counts)


def patches(image: np.ndarray, stride: int) -> np.ndarray:
    """Patches (rows, columns, 64) of `image` (H, W) at every `stride`-th pixel, column-major.

    Raises:
        InputError: the image is smaller than a patch.
    """
    if min(image.shape) < SIDE:
        raise InputError(
            f"an image of {image.shape[0]} x {image.shape[1]} pixels holds no patch of {SIDE} x "
            f"{SIDE}; take larger images"
        )
    windows = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE))[::stride, ::stride]
    return windows.swapaxes(2, 3).reshape(*windows.shape[:2], LENGTH)


def assemble(values: np.ndarray, stride: int, rest: np.ndarray) -> np.ndarray:
    """Image (H, W) of overlapping patches: their mean where several cover a pixel.

    Args:
        values: (rows, columns, 64), laid out as by `patches`.
        stride: pixels from patch to patch.
        rest: (H, W), taken where no patch covers a pixel.
    """
    total, count = np.zeros(rest.shape), np.zeros(rest.shape)
    down, across = (stride * n for n in values.shape[:2])
    for i in range(LENGTH):
        column, row = divmod(i, SIDE)
        region = slice(row, row + down, stride), slice(column, column + across, stride)
        total[region] += values[..., i]
        count[region] += 1
    return np.where(count > 0, total / np.maximum(count, 1), rest)


def encode(vectors: np.ndarray, dictionary: np.ndarray, error: float, sparsity: int) -> Codes:
    """Describe `vectors` (N, 64) by sums of atoms, chosen by orthogonal matching pursuit.

    A code is complete when the norm of its residual is at most `error`, when it has `sparsity`
    atoms, or when no further atom helps: the best one has been chosen before, is a linear
    combination of those chosen, or is orthogonal to the residual.

    Args:
        vectors: float64.
        dictionary: (64, A), columns of length 1.
        error: norm of the residual that is small enough.
        sparsity: largest number of atoms in a code.
    """
    shape = len(vectors), min(sparsity, *dictionary.shape)
    codes = Codes(np.zeros(shape, np.int32), np.zeros(shape), np.zeros(len(vectors), np.int32))
    gram = product(np.ascontiguousarray(dictionary.T), dictionary)
    energies = np.einsum("ni,ni->n", vectors, vectors)
    wanted = np.flatnonzero(energies > error**2)
    for start in range(0, wanted.size, CHUNK):
        chunk = wanted[start : start + CHUNK]
        correlations = product(vectors[chunk], dictionary)
        outputs = codes.atoms, codes.weights, codes.counts
        _pursue(gram, correlations, energies, chunk, error**2, *outputs)
    return codes


def fuse_sparse(
    first: np.ndarray, second: np.ndarray, dictionary: np.ndarray, stride: int, error: float
) -> np.ndarray:
    """Fuse two images to one (H, W): each patch is of the image whose code has the larger L1 norm.

    Args:
        first: (H, W), values around 0; wins ties.
        second: (H, W).
        dictionary: (64, A), columns of length 1.
        stride: pixels from patch to patch.
        error: norm of the residual at which a code is complete.
    """
    both = [patches(image, stride) for image in (first, second)]
    codes = [encode(p.reshape(-1, LENGTH), dictionary, error, LENGTH) for p in both]
    norms = [np.abs(code.weights).sum(1) for code in codes]
    decoded = [code.decode(dictionary) for code in codes]
    chosen = np.where((norms[0] >= norms[1])[:, None], *decoded)
    return assemble(chosen.reshape(both[0].shape), stride, (first + second) / 2)


@intrinsic
def _fused(_context, first, second, addend):
    """`first * second + addend` of float64, rounded once."""

    def generate(_context, builder, _signature, arguments):
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


@_compile
def product(first, second):
    """Matrix product (N, M) of `first` (N, K) and `second` (K, M), the same bits on any processor.

    A linear algebra library has a kernel for each processor, and each kernel rounds in its own way.
    Here every value is a chain of fused multiply-adds in the order of K.
    """
    result = np.zeros((first.shape[0], second.shape[1]))
    for n in range(first.shape[0]):
        for k in range(first.shape[1]):
            factor = first[n, k]
            for m in range(second.shape[1]):
                result[n, m] = _fused(factor, second[k, m], result[n, m])
    return result


@_compile
def _pursue(gram, correlations, energies, places, limit, atoms, weights, counts):
    """Write the codes of the vectors `places`; their `correlations` are overwritten.

    Args:
        gram: products of all atoms, G = D^T D.
        correlations: D^T x of each vector, a row each.
        energies: |x|^2 of all vectors.
        places: which vectors the correlations belong to.
        limit: |residual|^2 at which a code is complete.
        atoms: of the codes of all vectors; all zero before, as the next two.
        weights: of the codes.
        counts: of the codes.
    """
    most, size = atoms.shape[1], gram.shape[0]
    # Row i of `images` is D^T q_i, where q_i is the i-th chosen atom made orthogonal to those
    # before and scaled to length 1; `along` has the components of x along the q_i.
    factor, images = np.zeros((most, most)), np.empty((most, size))
    along = np.empty(most)
    for n in range(places.size):
        place = places[n]
        left, count = energies[place], 0
        while count < most and left > limit:
            atom = _strongest(correlations[n])
            strength = correlations[n, atom]
            if strength**2 < TINY or _holds(atoms[place], count, atom):
                break
            if not _extend(gram[atom], atoms[place], count, factor):
                break
            atoms[place, count] = atom
            _orthogonal(gram[atom], factor[count], images, count)
            along[count] = strength / factor[count, count]
            # The new residual has lost its part along q, and so have its correlations.
            _subtract(correlations[n], along[count], images[count])
            left -= along[count] ** 2
            count += 1
        counts[place] = count
        _solve(factor, along, count, weights[place])


@_compile
def _strongest(correlations):
    """Index of the largest magnitude, the first one on ties."""
    best, place = -1.0, 0
    for i in range(correlations.size):
        if abs(correlations[i]) > best:
            best, place = abs(correlations[i]), i
    return place


@_compile
def _holds(atoms, count, atom):
    held = False
    for i in range(count):
        held |= atoms[i] == atom
    return held


@_compile
def _extend(products, atoms, count, factor):
    """Append the row of a further atom to the Cholesky factor; False if it depends on the others.

    `products` are those of the new atom with all atoms: its row of G.
    """
    row, pivot = factor[count], 1.0
    for i in range(count):
        value = products[atoms[i]]
        for k in range(i):
            value -= row[k] * factor[i, k]
        row[i] = value / factor[i, i]
        pivot -= row[i] ** 2
    if pivot <= TINY:
        return False
    row[count] = np.sqrt(pivot)
    return True


@_compile
def _orthogonal(products, row, images, count):
    """Write to row `count` of `images` the correlations of all atoms with the new q."""
    target = images[count]
    target[:] = products
    for k in range(count):
        _subtract(target, row[k], images[k])
    for i in range(target.size):
        target[i] /= row[count]


@_compile
def _subtract(target, factor, values):
    for i in range(target.size):
        target[i] -= factor * values[i]


@_compile
def _solve(factor, along, count, weights):
    """Weights of the atoms from the components along the q: solves L^T weights = along."""
    for i in range(count - 1, -1, -1):
        value = along[i]
        for k in range(i + 1, count):
            value -= factor[k, i] * weights[k]
        weights[i] = value / factor[i, i]


@_compile
def _decode(atoms_as_rows, atoms, weights, counts):
    result = np.zeros((counts.size, atoms_as_rows.shape[1]))
    for n in range(counts.size):
        for k in range(counts[n]):
            _subtract(result[n], -weights[n, k], atoms_as_rows[atoms[n, k]])
    return result
