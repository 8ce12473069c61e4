import numpy as np
import pytest
import torch

from tfsdiff.data.colour import grey, rgb_to_ycbcr, rgb_to_yuv, ycbcr_to_rgb, yuv_to_rgb

PAIRS = [(rgb_to_yuv, yuv_to_rgb), (rgb_to_ycbcr, ycbcr_to_rgb)]


def image(seed=0, shape=(7, 9)):
    return np.random.default_rng(seed).random((*shape, 3))


@pytest.mark.parametrize(("there", "back"), PAIRS)
def test_inverses_are_exact(there, back):
    np.testing.assert_allclose(back(there(image())), image(), atol=1e-14)
    np.testing.assert_allclose(there(back(image())), image(), atol=1e-14)


@pytest.mark.parametrize("function", [function for pair in PAIRS for function in pair])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
def test_tensors_and_arrays_agree(function, dtype, tolerance):
    batch = np.stack([image(0), image(1)])
    tensor = torch.from_numpy(batch.transpose(0, 3, 1, 2)).to(dtype)
    result = function(tensor)
    assert result.dtype == dtype
    theirs = function(batch).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(result.numpy(), theirs, atol=tolerance)


def test_grey_has_no_chroma():
    level = np.repeat(np.linspace(0, 1, 5)[:, None, None], 3, axis=2)
    yuv, ycbcr = rgb_to_yuv(level), rgb_to_ycbcr(level)
    np.testing.assert_allclose(yuv, level * [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(ycbcr[..., 0], level[..., 0], atol=1e-15)
    np.testing.assert_allclose(ycbcr[..., 1:], 0.5, atol=1e-15)


def test_ycbcr_fills_the_range():
    corners = np.stack(np.meshgrid([0.0, 1], [0, 1], [0, 1]), -1).reshape(-1, 3)
    ycbcr = rgb_to_ycbcr(corners)
    np.testing.assert_allclose(ycbcr.min(0), [0, 0, 0], atol=1e-15)
    np.testing.assert_allclose(ycbcr.max(0), [1, 1, 1], atol=1e-15)


def test_yuv_inverse_has_the_published_coefficients():
    # Reference page, 6.1: R = F - 0.00004 U + 1.13983 V and so on.
    published = [[1, -0.00004, 1.13983], [1, -0.39461, -0.58050], [1, 2.03200, -0.00048]]
    np.testing.assert_allclose(yuv_to_rgb(np.eye(3)).T, published, atol=1e-5)


def test_grey_takes_the_weighted_sum_or_the_common_channel():
    rgb = image()
    np.testing.assert_allclose(grey(rgb), rgb @ [0.2989, 0.5870, 0.1140])
    common = np.repeat(rgb[..., :1], 3, axis=2)
    np.testing.assert_array_equal(grey(common), rgb[..., 0])


@pytest.mark.parametrize("function", [rgb_to_yuv, ycbcr_to_rgb, grey])
def test_wrong_channels_raise(function):
    with pytest.raises(ValueError, match="three channels"):
        function(np.zeros((4, 4)))
    if function is not grey:
        with pytest.raises(ValueError, match="three channels"):
            function(torch.zeros(4, 4, 3))
