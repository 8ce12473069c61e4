import csv

import pytest

from tfsdiff.evaluation.sampler_quality import Point, conclusion, fewest, write_points
from tfsdiff.evaluation.scores import Summary
from tfsdiff.metrics.registry import METRICS


@pytest.fixture
def point():
    def make(sampler, evaluations, psnr, **named):
        values = dict.fromkeys(METRICS, 0.25) | {"PSNR": psnr} | named
        return Point(sampler, evaluations, Summary(5, values, dict(values), {}))

    return make


def test_fewest_evaluations_within_a_tenth_of_a_decibel(point):
    full = point("ancestral", 1000, 30.0)
    points = [
        point("ddim", 16, 29.95), point("ddim", 8, 29.91), point("ddim", 4, 29.89),
        point("dpmpp", 2, 31.0), point("dpmpp", 4, 29.0), point("ancestral", 50, 29.0),
    ]  # fmt: skip
    found = fewest(points, full)
    assert {name: one and one.evaluations for name, one in found.items()} == {
        "ddim": 8, "dpmpp": 2, "ancestral": None,
    }  # fmt: skip
    text = conclusion("TFS-Diff ×4", points, full)
    assert "full chain (1000 evaluations) 30.00 dB" in text
    assert "ddim 8 (29.91 dB), dpmpp 2 (31.00 dB), ancestral none of these" in text
    assert "\n" not in text


def test_file_has_a_line_a_cell_and_reference(point, tmp_path):
    points = [point("ddim", 4, float("inf"), LPIPS=None), point("ancestral", 50, 29.1234567)]
    write_points(tmp_path / "a.csv", points)
    with (tmp_path / "a.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["sampler", "evaluations", "against", "images", *METRICS]
    heads = [(line["sampler"], line["evaluations"], line["against"]) for line in lines]
    assert heads == [
        ("ancestral", "50", "sources"), ("ancestral", "50", "truth"),
        ("ddim", "4", "sources"), ("ddim", "4", "truth"),
    ]  # fmt: skip
    assert lines[1]["PSNR"] == "29.1235"
    assert (lines[3]["PSNR"], lines[3]["LPIPS"], lines[3]["images"]) == ("inf", "", "5")
