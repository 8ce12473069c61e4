"""A calibration, drawn: the same bytes every time, whatever is missing."""

import numpy as np
import pytest
import torch

from tfsdiff.evaluation.calibration import calibrate
from tfsdiff.report.figures.calibration import Example, draw_calibration


@pytest.mark.parametrize(
    "factor", [1.0, *(pytest.param(factor, marks=pytest.mark.slow) for factor in (0.2, 5.0))]
)
def test_calibration_draws_bins_and_maps_on_one_scale(factor, drawn, tmp_path, rng):
    deviation = torch.rand(4000, generator=rng) * 30
    error = torch.randn(4000, generator=rng) * deviation * factor
    deviation, error = deviation.numpy(), error.numpy()
    maps = [np.abs(one[:256].reshape(16, 16)) for one in (deviation, error)]
    example = Example("case-1", np.full((16, 16, 3), 90, np.uint8), *maps)
    for name in ("a", "b"):
        found = calibrate(deviation, error, 10)
        draw_calibration(found, example, tmp_path / f"{name}.png", "TFS-Diff ×4")
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
    example = Example("g", np.zeros((8, 8, 3), np.uint8), nothing, nothing)
    found = calibrate(np.zeros(64), np.zeros(64), 4)
    draw_calibration(found, example, tmp_path / "a.png", "t")
    assert (tmp_path / "a.png").exists()
