"""Dictionaries of image patches: learned by K-SVD, or read from a file.

K-SVD alternates two steps: with the atoms fixed, all patches are coded (`sparse`); then each atom
in turn is fitted to the patches that use it, together with its weights in their codes. The exact
fit is the first singular vector of what all other atoms leave of those patches; one step of the
power method, as here, is close to it and much cheaper.

Sources: M. Aharon et al., "K-SVD", IEEE Transactions on Signal Processing 54, 2006, with the
approximate update of R. Rubinstein et al., 2008, by which the released dictionary was learned. As
in their toolbox, an atom that is hardly used or that repeats another one is replaced by one of the
patches that are described worst.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numba import njit
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from tfsdiff.common.errors import InputError
from tfsdiff.methods.ctsr.sparse import LENGTH, SIDE, Codes, encode, patches, product

FEWEST_USES = 4  # an atom with fewer is replaced, as in the toolbox
FLAT = 1e-6  # range of values up to which a patch is flat
TINY = 1e-12  # lengths below are rounding errors
COHERENCE = 0.99  # product of two atoms above which one of them is replaced
UNREADABLE = (
    OSError,
    TypeError,
    ValueError,
    NotImplementedError,  # by scipy, of MATLAB's HDF5 files
    MatReadError,
    SafetensorError,
)

_compile = njit(cache=True, nogil=True, error_model="numpy")


def training_patches(
    images: Iterable[np.ndarray], limit: int, rng: np.random.Generator
) -> np.ndarray:
    """Patches (N, 64) of `images` (H, W), without overlap; at most `limit`, drawn by `rng`.

    Flat patches, such as those of the background, are left out: nothing but a mean can be learned
    from them.
    """
    found = [_varied(patches(image, SIDE).reshape(-1, LENGTH)) for image in images]
    vectors = np.concatenate([np.empty((0, LENGTH)), *found])
    if len(vectors) > limit:
        vectors = vectors[np.sort(rng.permutation(len(vectors))[:limit])]
    return vectors


def initial(vectors: np.ndarray, atoms: int, rng: np.random.Generator) -> np.ndarray:
    """Dictionary (64, `atoms`) of patches drawn from `vectors` (N, 64), scaled to length 1.

    Raises:
        InputError: there are fewer patches than atoms.
    """
    if len(vectors) < atoms:
        raise InputError(
            f"{len(vectors)} patches of the training images are not flat, too few for {atoms} "
            "atoms; lower methods.ctsr.atoms or take more training groups"
        )
    return normalised(vectors[rng.permutation(len(vectors))[:atoms]].T)


def improve(
    vectors: np.ndarray, dictionary: np.ndarray, sparsity: int, rng: np.random.Generator
) -> np.ndarray:
    """Dictionary after one more iteration of K-SVD.

    Args:
        vectors: patches (N, 64).
        dictionary: (64, A), columns of length 1.
        sparsity: atoms a patch.
        rng: draws the order in which atoms are updated.
    """
    codes = encode(vectors, dictionary, 0.0, sparsity)
    users, places = _by_atom(codes, dictionary.shape[1])
    residuals = vectors - codes.decode(dictionary)
    # As rows, so that an atom is contiguous in memory.
    rows = np.ascontiguousarray(dictionary.T)
    order = rng.permutation(len(rows))
    _update(rows, order, *users, places, codes.weights.reshape(-1), residuals)
    return _renewed(rows.T.copy(), users[1], vectors, residuals)


def representation_error(vectors: np.ndarray, dictionary: np.ndarray, sparsity: int) -> float:
    """Mean squared error of `vectors` (N, 64) described by `sparsity` atoms each."""
    codes = encode(vectors, dictionary, 0.0, sparsity)
    return float(np.square(vectors - codes.decode(dictionary)).mean())


def read_dictionary(path: Path) -> np.ndarray:
    """Read the dictionary (64, A) that is the only matrix in a .mat, .safetensors or .npy file.

    Its columns are scaled to length 1.

    Raises:
        InputError: the file is missing, or no dictionary.
    """
    readers = {".mat": _read_mat, ".safetensors": load_file, ".npy": _read_npy}
    if path.suffix not in readers:
        raise InputError(f"{path}: no dictionary; name a file of kind {', '.join(readers)}")
    try:
        matrices = readers[path.suffix](path)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read ({reason}); name a dictionary") from None
    if len(matrices) != 1:
        raise InputError(f"{path}: holds {len(matrices)} matrices; leave one, the dictionary")
    return checked(next(iter(matrices.values())), str(path))


def picture(dictionary: np.ndarray) -> np.ndarray:
    """Image (H, W) in [0, 1] of all atoms of `dictionary` (64, A), each scaled to [0, 1]."""
    low, high = dictionary.min(axis=0), dictionary.max(axis=0)
    tiles = ((dictionary - low) / np.maximum(high - low, TINY)).T.reshape(-1, SIDE, SIDE)
    across = int(np.ceil(np.sqrt(len(tiles))))
    down = -(-len(tiles) // across)
    grid = np.zeros((down * across, SIDE + 1, SIDE + 1))
    grid[: len(tiles), :SIDE, :SIDE] = tiles.swapaxes(1, 2)  # atoms are column-major
    lines = grid.reshape(down, across, SIDE + 1, SIDE + 1).swapaxes(1, 2)
    return lines.reshape(down * (SIDE + 1), across * (SIDE + 1))


def checked(matrix: np.ndarray, origin: str) -> np.ndarray:
    """`matrix` as float64 with columns of length 1, if it is a dictionary (64, A).

    Raises:
        InputError: it is no dictionary.
    """
    if matrix.ndim != 2 or matrix.shape[0] != LENGTH or not matrix.shape[1]:
        raise InputError(
            f"{origin}: a dictionary must be {LENGTH} x n, an atom a column, not {matrix.shape}; "
            "transpose it or learn another"
        )
    if matrix.dtype.kind not in "fiu" or not np.isfinite(matrix).all():
        raise InputError(f"{origin}: has values that are no finite numbers; learn another")
    if not matrix.any(axis=0).all():
        raise InputError(f"{origin}: has an atom that is all 0; delete it or learn another")
    return normalised(np.asarray(matrix, np.float64))


def normalised(matrix: np.ndarray) -> np.ndarray:
    """Columns of `matrix` scaled to length 1."""
    return np.ascontiguousarray(matrix / np.linalg.norm(matrix, axis=0))


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    return {k: v for k, v in loadmat(path).items() if not k.startswith("__")}


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    return {"": np.load(path, allow_pickle=False)}


def _varied(vectors: np.ndarray) -> np.ndarray:
    return vectors[np.ptp(vectors, axis=1) > FLAT]


def _by_atom(codes: Codes, atoms: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Uses of the atoms, sorted by atom: ((starts, counts), places in the flattened weights)."""
    used = np.arange(codes.atoms.shape[1]) < codes.counts[:, None]
    places = np.flatnonzero(used)
    owner = codes.atoms.reshape(-1)[places]
    counts = np.bincount(owner, minlength=atoms)
    starts = np.cumsum(counts) - counts
    return (starts, counts), places[np.argsort(owner, kind="stable")]


@_compile
def _update(rows, order, starts, counts, places, weights, residuals):
    """Fit each atom, then its weights, to what the others leave of the patches that use it.

    Changes `rows`, `weights` and `residuals`, so that every atom sees the new ones before it.
    """
    most = weights.size // residuals.shape[0]
    fitted = np.empty(rows.shape[1])
    for atom in order:
        mine = places[starts[atom] : starts[atom] + counts[atom]]
        if _fit_atom(rows[atom], mine, most, weights, residuals, fitted):
            for place in mine:
                _refit_weight(rows[atom], fitted, place, weights, residuals[place // most])
            rows[atom] = fitted


@_compile
def _fit_atom(old, mine, most, weights, residuals, fitted):
    """Write to `fitted` the atom that fits best with the weights as they are; False if none does.

    What the other atoms leave of a patch is its residual plus this atom times its weight. Their sum
    over the patches, each times its weight, is a step of the power method.
    """
    fitted[:] = 0
    for place in mine:
        left, weight = residuals[place // most], weights[place]
        for i in range(fitted.size):
            fitted[i] += weight * (left[i] + weight * old[i])
    norm = np.sqrt((fitted**2).sum())
    if norm < TINY:
        return False
    for i in range(fitted.size):
        fitted[i] /= norm
    return True


@_compile
def _refit_weight(old, fitted, place, weights, left):
    """Replace the atom in the code of one patch: find its best weight, update the residual."""
    weight = 0.0
    for i in range(fitted.size):
        left[i] += weights[place] * old[i]
        weight += left[i] * fitted[i]
    weights[place] = weight
    for i in range(fitted.size):
        left[i] -= weight * fitted[i]


def _renewed(
    dictionary: np.ndarray, uses: np.ndarray, vectors: np.ndarray, residuals: np.ndarray
) -> np.ndarray:
    """Dictionary in which patches that are described worst replace useless atoms.

    Useless is an atom that is hardly used or repeats another.
    """
    worst = iter(np.argsort(-np.einsum("ni,ni->n", residuals, residuals), kind="stable"))
    for atom in range(dictionary.shape[1]):
        alike = np.abs(product(dictionary.T[atom : atom + 1].copy(), dictionary)[0])
        alike[atom] = 0
        if uses[atom] >= FEWEST_USES and alike.max() <= COHERENCE:
            continue
        vector = vectors[next(worst)]
        dictionary[:, atom] = vector / np.sqrt(np.square(vector).sum())
    return dictionary
