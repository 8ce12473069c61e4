"""The plots: the same bytes every time, and drawn whatever is missing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tfsdiff.diffusion.samplers import SAMPLERS
from tfsdiff.evaluation.calibration import calibrate
from tfsdiff.report import plots
from tfsdiff.report.quality import Point


def size(path):
    with Image.open(path) as image:
        assert set(image.info) <= {"dpi"}
        return image.size


@pytest.fixture
def points(summary):
    """Three samplers at three numbers of evaluations, and the full chain."""

    def make(**named):
        found = [
            Point(sampler, count, summary(sampler, 0.5, PSNR=20 + count / 10, **named))
            for sampler in SAMPLERS
            for count in (1, 4, 16)
        ]
        return found, Point("ancestral", 1000, summary("ancestral", 0.5, PSNR=22.0, **named))

    return make


def test_every_sampler_has_a_name_and_a_colour_of_its_own():
    assert set(plots.SAMPLERS) == set(SAMPLERS)
    assert len({colour for _, colour, _ in plots.SAMPLERS.values()}) == len(SAMPLERS)


def test_quality_has_a_line_a_sampler_and_the_band_of_the_full_chain(points, drawn, tmp_path):
    for name in ("a", "b"):
        plots.quality(*points(), tmp_path / f"{name}.png", "TFS-Diff ×4")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert size(tmp_path / "a.png") == (2000, 800)
    psnr, ssim, lpips = drawn[0].axes
    for axes in (psnr, ssim, lpips):
        *samplers, full = axes.get_lines()
        assert [list(line.get_xdata()) for line in samplers] == [[1, 4, 16]] * len(SAMPLERS)
        assert axes.get_xscale() == "log"
    assert list(psnr.get_lines()[0].get_ydata()) == pytest.approx([20.1, 20.4, 21.6])
    assert set(psnr.get_lines()[-1].get_ydata()) == {22.0}
    (band,) = psnr.patches
    assert band.get_extents().transformed(psnr.transData.inverted()).height == pytest.approx(0.2)
    assert not ssim.patches
    assert full.get_label() == "full chain, 1000 evaluations"


def test_quality_says_why_a_metric_is_empty(points, drawn, tmp_path):
    found, full = points(LPIPS=None)
    full = replace(full, summary=replace(full.summary, empty={"LPIPS": "no weights at hand"}))
    plots.quality(found, full, tmp_path / "a.png", "t")
    lpips = drawn[0].axes[2]
    assert not lpips.get_lines()
    assert [text.get_text() for text in lpips.texts] == ["no weights at hand"]


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_calibration_draws_bins_and_maps_on_one_scale(factor, drawn, tmp_path, rng):
    deviation = torch.rand(4000, generator=rng) * 30
    error = torch.randn(4000, generator=rng) * deviation * factor
    maps = [np.abs(one[:256].numpy().reshape(16, 16)) for one in (deviation, error)]
    example = plots.Example("case-1", np.full((16, 16, 3), 90, np.uint8), *maps)
    for name in ("a", "b"):
        found = calibrate(deviation, error, 10)
        plots.calibration(found, example, tmp_path / f"{name}.png", "TFS-Diff ×4")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    plot, mean, predicted, actual, _ = drawn[0].axes
    _, line = plot.get_lines()
    assert len(line.get_xdata()) == 10
    slope = np.polyfit(line.get_xdata(), line.get_ydata(), 1)[0]
    assert slope == pytest.approx(factor, rel=0.15)
    assert mean.images[0].get_array()[0, 0].tolist() == [90, 90, 90]
    assert predicted.images[0].get_clim() == actual.images[0].get_clim()


def test_calibration_without_any_deviation_is_drawn(tmp_path):
    nothing = np.zeros((8, 8), np.float32)
    example = plots.Example("g", np.zeros((8, 8, 3), np.uint8), nothing, nothing)
    found = calibrate(torch.zeros(64), torch.zeros(64), 4)
    plots.calibration(found, example, tmp_path / "a.png", "t")
    assert (tmp_path / "a.png").exists()
