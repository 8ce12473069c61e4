"""Agreement with independent implementations, within 1e-4 relative (measured: far closer)."""

import importlib
import math

import numpy as np
import pytest
import torch
from skimage import metrics as skimage_metrics

from tfsdiff.metrics.error import mae, mse, psnr, rmse
from tfsdiff.metrics.gradient import average_gradient
from tfsdiff.metrics.ssim import ssim
from tfsdiff.metrics.vif import vif

RELATIVE = 1e-6
REAL = pytest.param("real", marks=[pytest.mark.shared, pytest.mark.slow])


@pytest.fixture(scope="module")
def piq():
    """Imported only where it is used, as that takes a second."""
    return importlib.import_module("piq")


@pytest.fixture(params=["random", REAL])
def images(request):
    """Pairs (N, 3, H, W) in float64: made ones, or real fused images with one source each."""
    if request.param == "random":
        return request.getfixturevalue("pair")
    fused, sources = request.getfixturevalue("real")
    return fused.double(), sources[range(3), range(3)].double()


def agree(ours, theirs):
    np.testing.assert_allclose(ours.numpy(), np.asarray(theirs), rtol=RELATIVE, atol=1e-9)


def as_numpy(images):
    return [image.permute(1, 2, 0).numpy() for image in images]


def by_skimage(function, images, **options):
    return [function(x, y, **options) for x, y in zip(*map(as_numpy, images), strict=True)]


def test_mse_and_rmse(images):
    expected = by_skimage(skimage_metrics.mean_squared_error, images)
    agree(mse(*images), expected)
    agree(rmse(*images), np.sqrt(expected))


def test_psnr(images, piq):
    expected = by_skimage(skimage_metrics.peak_signal_noise_ratio, images, data_range=255)
    agree(psnr(*images), expected)
    agree(psnr(*images), piq.psnr(*images, data_range=255, reduction="none"))


def test_mae(images):
    agree(mae(*images), [torch.nn.functional.l1_loss(x, y) for x, y in zip(*images, strict=True)])


def test_ssim(images, piq):
    options = {
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "data_range": 255,
        "channel_axis": 2,
    }
    agree(ssim(*images), by_skimage(skimage_metrics.structural_similarity, images, **options))
    agree(ssim(*images), piq.ssim(*images, data_range=255, downsample=False, reduction="none"))


def test_vif(images, piq):
    agree(vif(*images), piq.vif_p(*images, data_range=255, reduction="none"))


def test_vif_of_constant_references(pair, piq):
    flat = torch.full_like(pair[0], 40)
    for x, y in ((flat, flat), (pair[0], flat), (flat, pair[0])):
        agree(vif(x, y), piq.vif_p(x, y, data_range=255, reduction="none"))


def test_average_gradient(images):
    expected = []
    for image in images[0].numpy():
        across, down = np.diff(image, axis=2)[:, :-1], np.diff(image, axis=1)[:, :, :-1]
        expected.append(np.hypot(across, down).mean() / math.sqrt(2))
    agree(average_gradient(images[0]), expected)
