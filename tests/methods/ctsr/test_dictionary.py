import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from scipy.io import savemat
from scipy.ndimage import gaussian_filter

from tfsdiff.common.errors import InputError
from tfsdiff.methods.ctsr.dictionary import (
    checked,
    improve,
    initial,
    normalised,
    picture,
    read_dictionary,
    representation_error,
    training_patches,
)
from tfsdiff.methods.ctsr.sparse import LENGTH


def images(count=6, pixels=64, seed=0):
    noise = np.random.default_rng(seed).random((count, pixels, pixels))
    smooth = np.stack([gaussian_filter(image, 1.0) for image in noise])
    return np.clip(0.5 + 4 * (smooth - 0.5), 0, 1)


def learned(vectors, atoms=96, sparsity=4, iterations=4, seed=0):
    rng = np.random.default_rng(seed)
    dictionary = initial(vectors, atoms, rng)
    for _ in range(iterations):
        dictionary = improve(vectors, dictionary, sparsity, rng)
    return dictionary


def patches_of(pictures, limit=10**6, seed=0):
    return training_patches(pictures, limit, np.random.default_rng(seed))


def test_learning_reduces_the_error_on_seen_and_unseen_patches():
    seen, unseen = patches_of(images()), patches_of(images(seed=1))
    first, last = learned(seen, iterations=0), learned(seen, iterations=6)
    errors = [[representation_error(v, d, 4) for d in (first, last)] for v in (seen, unseen)]
    assert errors[0][1] < 0.6 * errors[0][0]
    assert errors[1][1] < 0.95 * errors[1][0]
    np.testing.assert_allclose(np.linalg.norm(last, axis=0), 1)


def test_atoms_that_made_the_patches_are_found_again():
    rng = np.random.default_rng(0)
    truth = normalised(rng.normal(size=(LENGTH, 40)))
    codes = np.zeros((40, 3000))
    for column in codes.T:
        column[rng.choice(40, 3, replace=False)] = rng.normal(size=3)
    dictionary = learned((truth @ codes).T.copy(), 40, 3, 30)
    nearest = np.abs(truth.T @ dictionary).max(axis=1)
    assert (nearest > 0.99).mean() >= 0.9


def test_learning_is_deterministic():
    vectors = patches_of(images(3))
    np.testing.assert_array_equal(learned(vectors), learned(vectors))
    assert (learned(vectors) != learned(vectors, seed=1)).any()


LEARN = """
import sys
import numpy as np
from tfsdiff.methods.ctsr.dictionary import improve, initial
vectors, rng = np.load(sys.argv[1]), np.random.default_rng(0)
dictionary = initial(vectors, 64, rng)
for _ in range(4):
    dictionary = improve(vectors, dictionary, 4, rng)
print(dictionary.tobytes().hex())
"""


@pytest.mark.slow
def test_learning_does_not_depend_on_the_kernels_of_the_processor(tmp_path):
    np.save(tmp_path / "vectors.npy", patches_of(images(3)))
    kernels = [
        {"OPENBLAS_CORETYPE": "Haswell"},
        {"OPENBLAS_CORETYPE": "SkylakeX"},
        {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"},
    ]
    dictionaries = {
        subprocess.run(
            [sys.executable, "-c", LEARN, tmp_path / "vectors.npy"],
            env=os.environ | kernel,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for kernel in kernels
    }
    assert len(dictionaries) == 1


def test_an_iteration_leaves_its_inputs_alone():
    vectors = patches_of(images(3))
    dictionary = initial(vectors, 32, np.random.default_rng(0))
    copies = vectors.copy(), dictionary.copy()
    improve(vectors, dictionary, 3, np.random.default_rng(0))
    np.testing.assert_array_equal(vectors, copies[0])
    np.testing.assert_array_equal(dictionary, copies[1])


def test_atoms_that_nothing_uses_and_copies_are_replaced():
    vectors = patches_of(images(3))
    dictionary = initial(vectors, 32, np.random.default_rng(0))
    dictionary[:, 5] = dictionary[:, 4]
    last = improve(vectors, dictionary, 1, np.random.default_rng(0))
    coherence = np.abs(last.T @ last) - np.eye(32)
    assert coherence[4, 5] <= 0.99


def test_flat_patches_are_dropped_and_the_rest_sampled():
    pictures = images(2)
    pictures[0, :, :32] = 0
    pictures[1, :, 32:] = 0.3
    vectors = patches_of(pictures)
    assert len(vectors) == 64
    assert (np.ptp(vectors, axis=1) > 0).all()
    np.testing.assert_array_equal(vectors[0], pictures[0, :8, 32:40].ravel(order="F"))
    few = patches_of(pictures, 10)
    assert len(few) == 10
    assert {row.tobytes() for row in few} <= {row.tobytes() for row in vectors}
    np.testing.assert_array_equal(few, patches_of(pictures, 10))
    assert (few != patches_of(pictures, 10, seed=1)).any()
    assert patches_of([]).shape == patches_of(np.zeros((2, 16, 16))).shape == (0, LENGTH)


def test_too_few_patches_are_refused():
    with pytest.raises(InputError, match=r"64 patches .* 65 atoms; lower methods\.ctsr\.atoms"):
        initial(patches_of(images(1)), 65, np.random.default_rng(0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_dictionaries_have_atoms_of_length_one(seed, atoms):
    matrix = np.random.default_rng(seed).normal(size=(LENGTH, atoms))
    np.testing.assert_allclose(np.linalg.norm(checked(matrix, "it"), axis=0), 1)


def test_dictionaries_are_read_from_files(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(LENGTH, 70))
    savemat(tmp_path / "d.mat", {"D": matrix})
    save_file({"dictionary": matrix}, tmp_path / "d.safetensors")
    np.save(tmp_path / "d.npy", matrix)
    for suffix in (".mat", ".safetensors", ".npy"):
        read = read_dictionary(tmp_path / f"d{suffix}")
        np.testing.assert_allclose(read, normalised(matrix), atol=1e-15)
        assert read.dtype == np.float64


def write_wrong(path, how):
    good = np.ones((LENGTH, 4))
    matrices = {
        "transposed": {"D": good.T.copy()},
        "infinite": {"D": np.where(np.eye(LENGTH, 4) > 0, np.inf, good)},
        "zero": {"D": good * [1, 1, 0, 1]},
        "words": {"D": np.full((LENGTH, 4), "a")},
        "two": {"D": good, "E": good},
    }
    if how in matrices:
        savemat(path, matrices[how])
    elif how == "garbage":
        path.write_bytes(b"no MATLAB file at all" * 20)
    elif how == "cut":
        savemat(path, {"D": good})
        path.write_bytes(path.read_bytes()[:300])
    elif how == "empty":
        path.touch()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "cannot be read"),
        ("empty", "cannot be read"),
        ("garbage", "cannot be read"),
        ("cut", "cannot be read"),
        ("transposed", r"must be 64 x n, .*\(4, 64\)"),
        ("infinite", "no finite numbers"),
        ("words", "no finite numbers|must be 64"),
        ("zero", "an atom that is all 0"),
        ("two", "holds 2 matrices"),
    ],
)
def test_wrong_files_are_refused_in_one_line(how, message, tmp_path):
    path = tmp_path / "d.mat"
    write_wrong(path, how)
    with pytest.raises(InputError, match=message) as error:
        read_dictionary(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["d.txt", "learnt", "d.npy", "d.safetensors"])
def test_other_files_are_refused(name, tmp_path):
    (tmp_path / name).write_bytes(b"text")
    with pytest.raises(InputError, match=name):
        read_dictionary(tmp_path / name)


def test_pickles_are_not_opened(tmp_path):
    np.save(tmp_path / "d.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        read_dictionary(tmp_path / "d.npy")


def test_the_picture_shows_every_atom():
    matrix = np.random.default_rng(0).normal(size=(LENGTH, 7))
    image = picture(matrix)
    assert image.shape == (27, 27)
    tile = image[9:17, :8]  # the fourth
    atom = matrix[:, 3].reshape(8, 8, order="F")
    np.testing.assert_allclose(tile, (atom - atom.min()) / np.ptp(atom))
    assert not image[18:, 9:].any()
