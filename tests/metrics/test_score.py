"""All metrics of a batch at once."""

import math
import subprocess
import sys

import pytest
import torch

from tfsdiff.metrics.error import psnr
from tfsdiff.metrics.lpips import Unavailable, lpips
from tfsdiff.metrics.registry import METRICS
from tfsdiff.metrics.score import function, score, smallest_side
from tfsdiff.metrics.vif import vif

NO_WEIGHTS = Unavailable("no weights here")


@pytest.fixture
def scene(rng):
    """Fused (2, 3, 48, 44), sources (2, 3, 3, 48, 44), truth (2, 3, 48, 44), as 8-bit values."""
    images = torch.randint(0, 256, (2, 5, 3, 48, 44), generator=rng, dtype=torch.uint8)
    return images[:, 0], images[:, 1:4], images[:, 4]


def test_metrics_are_those_of_table_1_in_its_order():
    of_table_1 = ["AG", "MSE", "VIF", "SSIM", "PSNR", "LPIPS", "MAE", "RMSE"]
    assert [name for name in METRICS if name in of_table_1] == of_table_1
    higher = {name for name in of_table_1 if METRICS[name].better == "higher"}
    assert higher == {"AG", "VIF", "SSIM", "PSNR"}
    assert [name for name in of_table_1 if not METRICS[name].needs_reference] == ["AG"]


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_an_entry_says_all_that_tables_and_the_command_need(metric):
    assert callable(function(metric))
    assert smallest_side(metric) >= 1
    assert metric.decimals >= 0
    assert metric.convention


def test_naming_the_metrics_loads_none_of_them():
    code = "import sys, tfsdiff.metrics.registry; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_means_over_the_three_sources(scene):
    fused, sources, truth = scene
    rows, empty = score(fused, sources, truth, NO_WEIGHTS)
    assert empty == {"LPIPS": "no weights here"}
    assert len(rows) == 2
    assert all(list(row) == list(METRICS) for row in rows)
    expected = sum(psnr(fused[1], sources[1, k]).item() for k in range(3)) / 3
    assert rows[1]["PSNR"]["sources"] == pytest.approx(expected, rel=1e-12)
    assert rows[1]["PSNR"]["truth"] == psnr(fused[1], truth[1]).item()
    assert rows[0]["VIF"]["truth"] == vif(fused[0], truth[0]).item()
    assert rows[0]["AG"]["sources"] == rows[0]["AG"]["truth"]
    assert rows[0]["LPIPS"] == {"sources": None, "truth": None}


def test_an_image_scores_the_same_alone(scene):
    together = score(*scene, NO_WEIGHTS).images
    alone = score(*(images[1:] for images in scene), NO_WEIGHTS).images
    assert alone == together[1:]


def test_without_truth(scene):
    fused, sources, _ = scene
    row = score(fused, sources, None, NO_WEIGHTS).images[0]
    assert row["MAE"]["sources"] > 0
    alone = [name for name, metric in METRICS.items() if not metric.needs_reference]
    assert [name for name in METRICS if row[name]["truth"] is not None] == alone


def test_small_images_leave_windows_empty(scene):
    fused, sources, truth = (images[..., :16, :16] for images in scene)
    rows, empty = score(fused, sources, truth, NO_WEIGHTS)
    assert empty["VIF"] == "needs images of at least 41 pixels, not 16"
    assert empty["LPIPS"] == "needs images of at least 31 pixels, not 16"
    assert rows[0]["VIF"] == {"sources": None, "truth": None}
    assert rows[0]["SSIM"]["truth"] is not None


def test_the_perfect_image(scene):
    _, sources, truth = scene
    row = score(truth, sources, truth, NO_WEIGHTS).images[0]
    best = {name: row[name]["truth"] for name in ("MSE", "SSIM", "PSNR", "MAE", "RMSE")}
    assert best == {"MSE": 0, "SSIM": 1, "PSNR": math.inf, "MAE": 0, "RMSE": 0}
    assert row["VIF"]["truth"] == pytest.approx(1, rel=1e-8)


def test_refuses_other_shapes(scene):
    fused, sources, truth = scene
    with pytest.raises(ValueError, match="fused and sources"):
        score(fused, sources[:, :2], truth, NO_WEIGHTS)
    with pytest.raises(ValueError, match="fused and sources"):
        score(fused[:1], sources, truth, NO_WEIGHTS)
    with pytest.raises(ValueError, match="one size"):
        score(fused[..., :-1], sources, truth, NO_WEIGHTS)


@pytest.mark.shared
def test_real_images_fill_every_column(real, network):
    fused, sources = real
    rows, empty = score(fused, sources, sources.amax(1), network)
    assert empty == {}
    values = [value for row in rows for both in row.values() for value in both.values()]
    assert all(math.isfinite(value) for value in values)
    expected = lpips(fused[0], sources[0], network).mean().item()
    assert rows[0]["LPIPS"]["sources"] == expected
