import numpy as np
import pytest

from tfsdiff.methods.bitonicx.gradient import clarity, morphological_gradient, tensor_operator


def noise(height=17, width=14, seed=0):
    return np.random.default_rng(seed).standard_normal((height, width))


def test_gradient_is_a_third_of_the_range_in_five_by_five():
    image = noise()
    ours = morphological_gradient(image)
    for row, column in [(0, 0), (8, 7), (16, 3), (1, 13)]:
        window = image[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
        assert ours[row, column] == pytest.approx(np.ptp(window) / 3)


def test_tensor_operator_is_the_eigenvalue_norm():
    image = noise()
    ours = tensor_operator(image)
    for row, column in [(3, 5), (0, 4), (9, 0), (9, 1)]:
        down = image[row, column] - image[row - 1, column] if row else 0.0
        left = {0: 1, 1: 0}.get(column, column - 2)  # mirrored, the edge repeated
        across = image[row, column] - image[row, left]
        tensor = np.outer([down, across], [down, across])
        values = np.linalg.eigvalsh(tensor)
        expected = np.sqrt(values.sum() ** 2 + 0.5 * (values[1] - values[0]) ** 2)
        assert ours[row, column] == pytest.approx(expected)


def test_clarity_agrees_with_its_definition():
    image = noise()
    height, width = image.shape
    rows = [*range(4, -1, -1), *range(height), *range(height - 2, height - 7, -1)]
    columns = [*range(4, -1, -1), *range(width), *range(width - 1, width - 6, -1)]
    padded = image[np.ix_(rows, columns)]
    ours = clarity(image)
    for row, column in [(0, 0), (8, 7), (16, 13), (16, 0), (3, 13)]:
        window = padded[row : row + 11, column : column + 11]
        expected = (np.abs(window) * (window - image[row, column]) ** 2).sum()
        assert ours[row, column] == pytest.approx(expected)


@pytest.mark.parametrize("measure", [morphological_gradient, tensor_operator, clarity])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (9, 9)])
def test_nothing_varies_in_a_constant_image(measure, shape):
    result = measure(np.full(shape, 0.7))
    assert result.shape == shape
    assert not result.any()
