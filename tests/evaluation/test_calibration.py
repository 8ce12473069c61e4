import csv
import math

import numpy as np
import pytest
import torch

from tfsdiff.evaluation.calibration import calibrate, write_calibration


@pytest.fixture
def normal(rng):
    """Deviations of 1 to 9, and normal errors of that deviation."""
    deviation = 1 + 8 * torch.rand(40000, generator=rng, dtype=torch.float64)
    error = deviation * torch.randn(40000, generator=rng, dtype=torch.float64)
    return deviation.numpy(), error.numpy()


def test_normal_errors_are_calibrated(normal):
    found = calibrate(*(x.reshape(4, 100, 100) for x in normal), 10)
    assert [one.values for one in found.bins] == [4000] * 10
    for one in found.bins:
        assert one.rmse == pytest.approx(one.deviation, rel=0.05)
    deviations = [one.deviation for one in found.bins]
    assert deviations == sorted(deviations)
    assert found.all.within_1 == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.01)
    assert found.all.within_2 == pytest.approx(math.erf(2 / math.sqrt(2)), abs=0.01)
    assert 0.3 < found.correlation < 0.6


def test_errors_twice_as_large_show(normal):
    deviation, error = normal
    found = calibrate(deviation, 2 * error, 5)
    assert found.all.rmse == pytest.approx(2 * found.all.deviation, rel=0.02)
    assert found.all.within_2 == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.01)


def test_fewer_values_than_bins_and_no_variance():
    found = calibrate(np.ones(3), np.array([0.5, -2.0, 0.0]), 20)
    assert [one.values for one in found.bins] == [1, 1, 1]
    assert found.correlation is None
    assert found.all.within_1 == pytest.approx(2 / 3)


def test_file_ends_with_all_values(normal, tmp_path):
    found = calibrate(*normal, 4)
    write_calibration(tmp_path / "a.csv", found)
    with (tmp_path / "a.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["bin"] for line in lines] == ["1", "2", "3", "4", "all"]
    assert sum(int(line["values"]) for line in lines[:-1]) == int(lines[-1]["values"])
    assert float(lines[-1]["rmse"]) == pytest.approx(found.all.rmse, rel=1e-5)
    assert [bool(line["correlation"]) for line in lines] == [False] * 4 + [True]
