"""The comparison with scikit-image and the package lpips."""

import math
import sys

import pytest
import torch

from tfsdiff.metrics.lpips import _SHAPES, Network, Unavailable
from tfsdiff.metrics.reference import Compared, check
from tfsdiff.metrics.score import score

NONE = Unavailable("no weights")


@pytest.fixture
def random_network(rng):
    """LPIPS with weights that mean nothing."""
    network = Network()
    weights = {}
    for layer, shape in _SHAPES.items():
        weights[f"features.{layer}.weight"] = torch.randn(shape, generator=rng) / 30
        weights[f"features.{layer}.bias"] = torch.zeros(shape[0])
        weights[f"heads.{layer}"] = torch.ones(shape[0])
    network.load_state_dict(weights, assign=True)
    return network.requires_grad_(False)


def checked(pair, network=NONE):
    fused, references = pair[0][0], torch.cat([pair[1][:3], pair[0][:1]])
    scores = score(fused[None], references[None, :3], references[3:], network)
    return check(scores, fused, references, network)


def test_our_metrics_agree(pair):
    checks = checked(pair)
    assert [(one.metric, one.against) for one in checks.compared] == [
        (metric, against) for metric in ("MSE", "PSNR", "SSIM") for against in ("sources", "truth")
    ]
    assert all(one.by.startswith("scikit-image 0.") for one in checks.compared)
    assert checks.deviating == []
    assert checks.compared[3].ours == math.inf
    assert checks.not_checked == [("LPIPS", "no weights")]


@pytest.mark.parametrize(
    ("ours", "theirs", "agrees"),
    [
        (0.5, 0.5 + 1e-8, True),
        (0.5, 0.51, False),
        (1e-12, 0.0, True),
        (0.1, 0.0, False),
        (math.inf, math.inf, True),
        (40.0, math.inf, False),
        (math.nan, 0.5, False),
    ],
)
def test_only_rounding_passes(ours, theirs, agrees):
    assert Compared("SSIM", "truth", ours, theirs, "another 1.0").agrees is agrees


def test_what_deviates_is_said(pair):
    scores = score(pair[0][:1], pair[1][None, :3], None, NONE)
    scores.images[0]["SSIM"]["sources"] += 0.01
    (line,) = check(scores, pair[0][0], pair[1][:3], NONE).deviating
    assert line.startswith("SSIM to sources is 0.")
    assert "by scikit-image" in line


def test_what_is_empty_is_not_checked():
    images = torch.zeros(3, 3, 5, 7)
    scores = score(images[:1], images[None], None, NONE)
    assert dict(check(scores, images[0], images, NONE).not_checked).keys() == {"SSIM", "LPIPS"}


@pytest.mark.slow
def test_lpips_is_that_of_the_package(real, network):
    pytest.importorskip("lpips")
    fused, sources = real
    scores = score(fused[:1], sources[:1], None, network)
    checks = check(scores, fused[0], sources[0], network)
    assert checks.compared[-1].metric == "LPIPS"
    assert checks.deviating == []


def test_lpips_that_cannot_be_imported_is_said(pair, random_network, monkeypatch):
    monkeypatch.setitem(sys.modules, "lpips", None)
    ((metric, why),) = checked(pair, random_network).not_checked
    assert metric == "LPIPS"
    assert why.startswith(f"the package lpips cannot be imported beside torch {torch.__version__}")
    assert why.endswith("install torch and torchvision from one index")
