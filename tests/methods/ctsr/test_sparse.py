import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfsdiff.common.errors import InputError
from tfsdiff.methods.ctsr.laplacian import brighter_or_sharper, modified_laplacian
from tfsdiff.methods.ctsr.sparse import CHUNK, LENGTH, Codes, assemble, encode, fuse_sparse, patches


def atoms(count=128, seed=0):
    matrix = np.random.default_rng(seed).normal(size=(LENGTH, count))
    return matrix / np.linalg.norm(matrix, axis=0)


def vectors(count, seed=1):
    return 0.1 * np.random.default_rng(seed).normal(size=(count, LENGTH))


def plain_pursuit(vector, dictionary, error, sparsity):
    """Orthogonal matching pursuit by least squares, as 6.3 has it."""
    chosen, weights, left = [], np.zeros(0), vector
    while len(chosen) < sparsity and left @ left > error**2:
        correlations = dictionary.T @ left
        atom = int(np.abs(correlations).argmax())
        if atom in chosen or correlations[atom] ** 2 < 1e-14:
            break
        chosen.append(atom)
        weights = np.linalg.lstsq(dictionary[:, chosen], vector)[0]
        left = vector - dictionary[:, chosen] @ weights
    return chosen, weights


@pytest.mark.parametrize(("error", "sparsity"), [(0.01, LENGTH), (0.3, LENGTH), (0.0, 10)])
def test_agrees_with_plain_pursuit(error, sparsity):
    dictionary, given_vectors = atoms(), vectors(40)
    codes = encode(given_vectors, dictionary, error, sparsity)
    for n, vector in enumerate(given_vectors):
        chosen, weights = plain_pursuit(vector, dictionary, error, sparsity)
        assert codes.counts[n] == len(chosen)
        np.testing.assert_array_equal(codes.atoms[n, : len(chosen)], chosen)
        np.testing.assert_allclose(codes.weights[n, : len(chosen)], weights, atol=1e-9)
        assert not codes.weights[n, len(chosen) :].any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_sums_of_few_orthogonal_atoms_are_found_again(seed, count):
    rng = np.random.default_rng(seed)
    dictionary = np.linalg.qr(rng.normal(size=(LENGTH, LENGTH)))[0]
    chosen = rng.choice(LENGTH, count, replace=False)
    weights = rng.uniform(0.5, 2, count) * rng.choice([-1, 1], count)
    codes = encode((dictionary[:, chosen] @ weights)[None], dictionary, 1e-6, LENGTH)
    assert codes.counts[0] == count
    expected = dict(zip(chosen.tolist(), weights, strict=True))
    for atom, weight in zip(codes.atoms[0, :count], codes.weights[0], strict=False):
        assert weight == pytest.approx(expected[atom])


def test_sums_of_few_atoms_of_an_overcomplete_dictionary_are_found_again():
    dictionary, rng = atoms(256), np.random.default_rng(3)
    for _ in range(20):
        chosen = rng.choice(256, 3, replace=False)
        vector = dictionary[:, chosen] @ rng.choice([-1, 1], 3)
        codes = encode(vector[None], dictionary, 1e-6, LENGTH)
        np.testing.assert_allclose(codes.decode(dictionary)[0], vector, atol=1e-6)
        assert set(chosen) == set(codes.atoms[0, : codes.counts[0]])


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.1, 0.5]))
def test_the_error_is_reached(seed, error):
    dictionary, given_vectors = atoms(), vectors(5, seed)
    codes = encode(given_vectors, dictionary, error, LENGTH)
    left = np.linalg.norm(given_vectors - codes.decode(dictionary), axis=1)
    assert (left <= error + 1e-9).all()


def test_more_vectors_than_a_chunk_are_each_coded_alone():
    dictionary, many = atoms(), vectors(CHUNK + 9)
    many[::3] = 0  # no code at all
    both, alone = encode(many, dictionary, 0.1, 9), encode(many[-9:], dictionary, 0.1, 9)
    assert not both.counts[::3].any()
    np.testing.assert_array_equal(both.atoms[-9:], alone.atoms)
    np.testing.assert_allclose(both.weights[-9:], alone.weights, atol=1e-12)


def test_of_equal_atoms_the_first_is_taken_and_the_second_never():
    dictionary = np.repeat(atoms(6), 2, axis=1)
    codes = encode(vectors(10), dictionary, 0.0, LENGTH)
    assert (codes.atoms % 2 == 0).all()
    assert codes.counts.max() == 6  # then nothing is left that an atom could explain


def test_patches_are_column_major():
    image = np.arange(12 * 17.0).reshape(12, 17)
    found = patches(image, 2)
    assert found.shape == (3, 5, LENGTH)
    np.testing.assert_array_equal(found[1, 2], image[2:10, 4:12].ravel(order="F"))


@given(st.integers(8, 24), st.integers(8, 24), st.integers(1, 8))
def test_patches_are_put_together_again(height, width, stride):
    image = np.random.default_rng(height).random((height, width))
    rest = image + 1
    again = assemble(patches(image, stride), stride, rest)
    covered = ((height - 8) // stride * stride + 8, (width - 8) // stride * stride + 8)
    inside = np.zeros(image.shape, bool)
    inside[: covered[0], : covered[1]] = True
    np.testing.assert_allclose(again[inside], image[inside], atol=1e-14)
    np.testing.assert_array_equal(again[~inside], rest[~inside])


def test_images_without_a_patch_are_refused():
    with pytest.raises(InputError, match="7 x 20 pixels holds no patch"):
        patches(np.zeros((7, 20)), 2)


def test_the_stronger_code_is_taken():
    dictionary = atoms()
    weak, strong = vectors(2)[:, :, None].reshape(2, 8, 8) * np.array([0.5, 1])[:, None, None]
    for pair in ((weak, strong), (strong, weak)):
        fused = fuse_sparse(*pair, dictionary, 2, 0.01)
        np.testing.assert_allclose(fused, strong, atol=0.01)


def test_ties_go_to_the_first():
    image = np.random.default_rng(0).normal(size=(8, 8)) / 10
    codes = [encode(x.ravel("F")[None], atoms(), 0.01, LENGTH) for x in (image, -image)]
    np.testing.assert_array_equal(codes[0].weights, -codes[1].weights)
    fused = fuse_sparse(image, -image, atoms(), 2, 0.01)
    np.testing.assert_allclose(fused, image, atol=0.01)


def test_uncovered_pixels_are_the_mean():
    first, second = np.random.default_rng(0).random((2, 9, 11))
    fused = fuse_sparse(first, second, atoms(), 2, 0.01)
    np.testing.assert_array_equal(fused[8], (first + second)[8] / 2)
    np.testing.assert_array_equal(fused[:, 10], (first + second)[:, 10] / 2)


def test_decode_counts_only_what_counts():
    codes = Codes(np.array([[3, 5]], np.int32), np.array([[2.0, 9.0]]), np.array([1], np.int32))
    np.testing.assert_array_equal(codes.decode(atoms())[0], 2 * atoms()[:, 3])


@pytest.mark.parametrize("window", [1, 3, 5])
def test_modified_laplacian_agrees_with_the_equations(window):
    image = np.random.default_rng(0).random((9, 7))
    padded = np.pad(image, 1, mode="symmetric")
    centre = 2 * image
    strength = np.abs(centre - padded[:-2, 1:-1] - padded[2:, 1:-1])
    strength += np.abs(centre - padded[1:-1, :-2] - padded[1:-1, 2:])
    wide = np.pad(strength, window // 2, mode="symmetric")
    sums = np.lib.stride_tricks.sliding_window_view(wide, (window, window)).sum((2, 3))
    expected = np.sqrt(sums / window**2)
    np.testing.assert_allclose(modified_laplacian(image, window), expected, atol=1e-12)


def test_even_windows_are_refused():
    with pytest.raises(ValueError, match="odd"):
        modified_laplacian(np.zeros((3, 3)), 4)


def test_brighter_wins_then_sharper_then_the_second():
    first = np.full((9, 9), 0.5)
    second = first + 5e-5  # a tie
    second[:, 6:] = 0.6
    second[2, 2] += 2e-5  # still a tie, but with detail
    chosen = brighter_or_sharper(first, second, 9e-5, 3)
    np.testing.assert_array_equal(chosen, second)
    chosen = brighter_or_sharper(second, first, 9e-5, 3)
    np.testing.assert_array_equal(chosen[1:4, 1:4], second[1:4, 1:4])
    np.testing.assert_array_equal(chosen[:, 7:], second[:, 7:])
    assert chosen[8, 0] == first[8, 0]  # no detail either: the second argument


@given(st.integers(0, 2**32 - 1))
def test_the_choice_is_the_maximum_but_for_the_threshold(seed):
    first, second = np.random.default_rng(seed).random((2, 12, 12))
    chosen = brighter_or_sharper(first, second, 9e-5, 3)
    assert np.abs(chosen - np.maximum(first, second)).max() < 9e-5
